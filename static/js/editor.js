// The editor of an exercise: Ace over the form's own text area, which stays what is submitted.
//
// Without this the page is a form with a text area. With it the code is coloured, kept on the
// server as it is typed, and a failing check leads to its line. Colours come from the stylesheet.

const SAVE_MS = 800;
const form = document.getElementById("code-form");
const area = form.querySelector("textarea");
const kept = form.querySelector("[data-kept]");
const conflict = form.querySelector("[data-conflict]");
// What the server holds: the code of the version that the form names.
let saved = area.value;
let theirs;
let timer;
let sending;

const editor = open();

function open() {
  const host = document.createElement("div");
  host.className = "code-editor";
  area.after(host);
  area.hidden = true;
  const ace = window.ace.edit(host, {
    mode: "ace/mode/python",
    theme: { cssClass: "ace-campus", cssText: "", isDark: false },
    value: area.value,
    useWorker: false,
    useSoftTabs: true,
    tabSize: 4,
    minLines: 16,
    maxLines: 40,
    showPrintMargin: true,
    printMarginColumn: 100,
    enableKeyboardAccessibility: true,
    textInputAriaLabel: "Your code",
    fontFamily: "var(--mono)",
    fontSize: "0.9375rem",
    wrap: true,
    indentedSoftWrap: true,
  });
  // Ace itself names its input only once the cursor has moved.
  ace.textInput.getElement().setAttribute("aria-label", "Your code");
  // The label leads to the editor; the hidden text area cannot take the focus.
  form.querySelector(`label[for="${area.id}"]`).addEventListener("click", () => ace.focus());
  ace.session.on("change", changed);
  ace.commands.addCommand({
    name: "check",
    bindKey: { win: "Ctrl-Enter", mac: "Command-Enter" },
    exec: () => form.requestSubmit(form.querySelector("[type=submit]")),
  });
  form.querySelector(".keys").hidden = false;
  return ace;
}

function changed() {
  area.value = editor.getValue();
  editor.session.clearAnnotations();
  kept.textContent = "Not saved yet.";
  clearTimeout(timer);
  timer = setTimeout(save, SAVE_MS);
}

/** Keep the draft on the server; one save at a time, and the last one wins. */
async function save({ leaving = false } = {}) {
  clearTimeout(timer);
  if (area.value === saved || (sending && !leaving) || theirs) return;
  const code = area.value;
  sending = send(code, leaving);
  try {
    const answer = await sending;
    if (answer.status === 409) {
      ask(await answer.json());
    } else if (answer.ok) {
      version((await answer.json()).version);
      saved = code;
      kept.textContent = `Draft saved ${new Date().toTimeString().slice(0, 5)}.`;
    } else {
      kept.textContent = answer.status === 422 ? "This draft cannot be saved." : "Not saved: the campus did not answer.";
    }
  } catch {
    kept.textContent = "Not saved: the campus cannot be reached. It is tried again.";
    timer = setTimeout(save, 5 * SAVE_MS);
  } finally {
    sending = undefined;
  }
  if (area.value !== code) timer = setTimeout(save, SAVE_MS);
}

function send(code, leaving) {
  const data = new FormData(form);
  data.set("code", code);
  return fetch(form.dataset.draft, { method: "POST", body: data, keepalive: leaving });
}

function version(number) {
  form.querySelector("[name=version]").value = number;
}

/** Another window has saved since: the person decides which code stays. */
function ask(other) {
  theirs = other;
  conflict.hidden = false;
  kept.textContent = "Not saved.";
}

function decide(code) {
  version(theirs.version);
  saved = theirs.code;
  theirs = undefined;
  conflict.hidden = true;
  if (code !== editor.getValue()) replace(code);
  save();
}

/** Put other code into the editor, in one step that undo takes back. */
function replace(code) {
  const range = new window.ace.Range(0, 0, editor.session.getLength(), 0);
  editor.session.replace(range, code);
  editor.gotoLine(1);
  editor.focus();
}

conflict.querySelector("[data-theirs]").addEventListener("click", () => decide(theirs.code));
conflict.querySelector("[data-mine]").addEventListener("click", () => decide(area.value));

const reset = form.querySelector("[data-reset]");
reset.hidden = false;
reset.addEventListener("click", () =>
  replace(JSON.parse(document.getElementById(form.dataset.starter).textContent)),
);

const take = form.querySelector("[data-take]");
if (take) {
  take.hidden = false;
  take.addEventListener("click", async () => {
    const answer = await fetch(take.dataset.take);
    if (answer.ok) replace(await answer.text());
  });
}

/** "#line-12" leads to that line of the code. */
function toLine() {
  const [, line] = /^#line-(\d+)$/.exec(location.hash) ?? [];
  if (!line) return;
  editor.gotoLine(Number(line));
  editor.scrollToLine(Number(line), true, true);
  editor.focus();
}

/** Mark in the margin what the checks say about a line. */
function annotate() {
  const marks = [...document.querySelectorAll("#judged .to-line")].map((link) => ({
    row: Number(link.hash.replace("#line-", "")) - 1,
    column: 0,
    text: link.closest("li").querySelector("strong").textContent,
    type: "error",
  }));
  editor.session.setAnnotations(marks);
}

document.addEventListener("click", (event) => {
  const link = event.target.closest(".to-line");
  // A second click on the same line changes no hash, and leads there all the same.
  if (link && link.pathname === location.pathname && link.hash === location.hash) toLine();
});
window.addEventListener("hashchange", toLine);
window.addEventListener("pagehide", () => save({ leaving: true }));
document.addEventListener("htmx:load", annotate);
annotate();
toLine();
