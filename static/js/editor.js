// The editor of an exercise: Ace over the form's own text area, which stays what is submitted.
//
// Without this the page is a form with a text area. With it the code is coloured, kept on the
// server as it is typed, and a failing check leads to its line. Colours come from the stylesheet.

const SAVE_MS = 800;
const RETRY_MS = 4000;
const SIGNED_OUT = "Your session has ended. Reload the page and sign in: your code comes along.";
const form = document.getElementById("code-form");
const area = form.querySelector("textarea");
const kept = form.querySelector("[data-kept]");
const conflict = form.querySelector("[data-conflict]");
// What the server holds: the code of the version that the form names. A browser that brings the page
// back may have filled in an older one.
area.value = area.defaultValue;
let saved = area.value;
// What another window has saved, until the person has decided which code stays.
let theirs;
let timer;
// The save under way, and the code that is being handed in.
let saving;
let submitted;
// Codes that were sent and never answered: the server may hold any of them.
let unheard = [];
let isOffline = false;

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
    exec: () => form.querySelector("[type=submit]").click(),
  });
  form.querySelector(".keys").hidden = false;
  return ace;
}

function changed() {
  area.value = editor.getValue();
  editor.session.clearAnnotations();
  tell("Not saved yet.");
  later(SAVE_MS);
}

function tell(words) {
  kept.textContent = words;
}

function later(ms) {
  clearTimeout(timer);
  timer = setTimeout(save, ms);
}

/** Keep the draft on the server: one save at a time, and none while code is handed in. */
async function save() {
  clearTimeout(timer);
  if (saving || submitted !== undefined || theirs) return;
  if (area.value === saved) {
    tell("Draft saved.");
    return;
  }
  saving = keep(area.value);
  const wait = await saving;
  saving = undefined;
  if (wait) later(wait);
}

/** Send the code; the milliseconds after which to save again, 0 where that would not help. */
async function keep(code) {
  let answer;
  let said;
  try {
    answer = await send(code);
    if (answer.status >= 500) throw new Error(answer.statusText);
    said = answer.redirected || answer.status === 403 ? undefined : await answer.json();
  } catch {
    unheard.push(code);
    isOffline = true;
    tell("Not saved: the campus cannot be reached. It is tried again.");
    return RETRY_MS;
  }
  if (!said) {
    isOffline = true;
    tell(`Not saved. ${SIGNED_OUT}`);
    return 0;
  }
  isOffline = false;
  if (answer.status === 409) return overtaken(said);
  if (!answer.ok) {
    tell(`Not saved: ${said.errors.code[0]}`);
    return 0;
  }
  holds(code, said.version);
  tell(`Draft saved ${new Date().toTimeString().slice(0, 5)}.`);
  return area.value === code ? 0 : SAVE_MS;
}

function send(code, leaving = false) {
  const data = new FormData(form);
  data.set("code", code);
  return fetch(form.dataset.draft, { method: "POST", body: data, keepalive: leaving });
}

/** The server holds this code, as this version. */
function holds(code, number) {
  version(number);
  saved = code;
  unheard = [];
  sessionStorage.removeItem(form.dataset.shelf);
}

function version(number) {
  form.querySelector("[name=version]").value = number;
}

/** The server holds other code: this window's own, or another's, and then the person decides. */
function overtaken(other) {
  if (other.code === area.value || unheard.includes(other.code)) {
    holds(other.code, other.version);
    return 1;
  }
  theirs = other;
  conflict.hidden = false;
  tell("Not saved.");
  return 0;
}

function decide(code) {
  holds(theirs.code, theirs.version);
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
    const answer = await fetch(take.dataset.take).catch(() => undefined);
    if (!answer || answer.status >= 500) tell("The campus cannot be reached.");
    else if (answer.redirected) tell(SIGNED_OUT);
    else if (answer.ok) replace(await answer.text());
    else tell(await answer.text());
  });
}

// What is handed in is saved with it: the two must not overtake each other.
form.addEventListener("htmx:confirm", async (event) => {
  if (!saving) return;
  event.preventDefault();
  await saving;
  event.detail.issueRequest(true);
});
form.addEventListener("htmx:beforeRequest", () => {
  submitted = area.value;
});
form.addEventListener("htmx:afterRequest", (event) => {
  if (!event.detail.successful) {
    unheard.push(submitted);
    tell("Not handed in: the campus did not answer. Your code is still here; try again.");
  }
  submitted = undefined;
  if (event.detail.successful && area.value !== saved) save();
});

// A session that has ended is answered with the page to sign in, which is no part of this one.
document.addEventListener("htmx:beforeSwap", (event) => {
  const { xhr, pathInfo } = event.detail;
  if (new URL(xhr.responseURL).pathname === pathInfo.requestPath) return;
  event.detail.shouldSwap = false;
  tell(SIGNED_OUT);
});

/** Take up what this tab had not yet saved when it left the page. */
function unshelve() {
  const left = JSON.parse(sessionStorage.getItem(form.dataset.shelf));
  sessionStorage.removeItem(form.dataset.shelf);
  if (!left || left.code === saved) return;
  version(left.version);
  replace(left.code);
}

/** "#line-12" leads to that line of the code. */
function toLine() {
  if (location.hash === "#solution") document.getElementById("solution")?.setAttribute("open", "");
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
window.addEventListener("pagehide", () => {
  if (area.value === saved) return;
  const left = { code: area.value, version: form.querySelector("[name=version]").value };
  sessionStorage.setItem(form.dataset.shelf, JSON.stringify(left));
  if (!theirs) send(area.value, true).catch(() => {});
});
window.addEventListener("beforeunload", (event) => {
  // What neither the server nor this tab will have is worth a question.
  if (area.value !== saved && (isOffline || theirs)) event.preventDefault();
});
document.addEventListener("htmx:load", (event) => {
  if (event.target.closest("#judged")) annotate();
});
annotate();
unshelve();
toLine();
