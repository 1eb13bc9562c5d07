// Tells the campus of its reader: the section in view, for how long the page was read, and which
// derivations were opened or passed by. What could not be told is told the next time.
const summary = document.querySelector("[data-place]");
const PAUSE_MS = 1500;
const STEP_MS = 5_000;
const REPORT_SECONDS = 30;
// Who has not touched the page for so long is somewhere else.
const IDLE_MS = 90_000;

let shown = decodeURIComponent(location.hash.slice(1));
let told = shown;
// In all, since the page was opened: a report whose answer was lost may have come through, and is
// told again without counting twice.
let seconds = 0;
let toldSeconds = 0;
const page = crypto.getRandomValues(new Uint32Array(2)).join("-");
const derivations = { opened: new Set(), passed: new Set() };
let timer = 0;

function tell() {
  clearTimeout(timer);
  timer = 0;
  const report = new URLSearchParams();
  if (shown !== told) report.set("anchor", shown);
  const whole = Math.floor(seconds);
  if (whole > toldSeconds) {
    report.set("page", page);
    report.set("seconds", whole);
  }
  for (const [name, numbers] of Object.entries(derivations)) {
    for (const number of numbers) report.append(name, number);
    numbers.clear();
  }
  if (![...report].length) return;
  const before = { told, toldSeconds };
  told = shown;
  toldSeconds = whole;
  fetch(summary.dataset.place, {
    method: "POST",
    headers: JSON.parse(document.body.getAttribute("hx-headers")),
    body: report,
    keepalive: true,
  }).catch(() => {
    ({ told, toldSeconds } = before);
    for (const name of Object.keys(derivations)) {
      for (const number of report.getAll(name)) derivations[name].add(number);
    }
  });
}

function tellSoon() {
  if (!timer) timer = setTimeout(tell, PAUSE_MS);
}

const headings = [...summary.querySelectorAll(".prose :is(h2, h3)[id]")];
const read = new Set();
const seen = new IntersectionObserver(
  (entries) => {
    for (const { isIntersecting, target } of entries) read[isIntersecting ? "add" : "delete"](target);
    shown = headings.findLast((heading) => read.has(heading))?.id ?? told;
    if (shown !== told) tellSoon();
  },
  // A heading counts as read from when it has come into the upper half, however far it then goes.
  { rootMargin: "1000000px 0px -50% 0px" },
);
for (const heading of headings) seen.observe(heading);

// A derivation is passed by when it was in view, closed, and then left at the top.
const met = new Set();
const passing = new IntersectionObserver((entries) => {
  for (const { isIntersecting, target, boundingClientRect } of entries) {
    if (isIntersecting) met.add(target);
    else if (boundingClientRect.bottom < 0 && met.has(target) && !target.open) {
      note("passed", target);
      passing.unobserve(target);
    }
  }
});

function note(name, derivation) {
  derivations[name].add(derivation.id.slice("derivation-".length));
  tellSoon();
}

for (const derivation of summary.querySelectorAll("details.derivation")) {
  passing.observe(derivation);
  derivation.addEventListener("toggle", () => derivation.open && note("opened", derivation));
}

// Time counts while the page is in view and in use.
let used = performance.now();
let since = used;
for (const event of ["scroll", "pointermove", "pointerdown", "keydown"]) {
  addEventListener(event, () => { used = performance.now(); }, { passive: true });
}

function count({ inView = !document.hidden } = {}) {
  const now = performance.now();
  // A computer that was asleep counts one step.
  if (inView && now - used < IDLE_MS) seconds += Math.min(now - since, 2 * STEP_MS) / 1000;
  since = now;
  if (seconds - toldSeconds >= REPORT_SECONDS) tell();
}

setInterval(count, STEP_MS);
document.addEventListener("visibilitychange", () => {
  // Until now it was the other way round.
  count({ inView: document.hidden });
  if (document.hidden) tell();
  else used = since;
});
