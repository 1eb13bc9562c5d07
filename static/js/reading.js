// Keeps the place of a reader: the section in view is told to the campus, at most every few seconds.
const summary = document.querySelector("[data-place]");
const PAUSE_MS = 1500;
let shown = decodeURIComponent(location.hash.slice(1));
let told = shown;
let timer = 0;

function tell() {
  timer = 0;
  if (shown === told) return;
  told = shown;
  fetch(summary.dataset.place, {
    method: "POST",
    headers: JSON.parse(document.body.getAttribute("hx-headers")),
    body: new URLSearchParams({ anchor: shown }),
    keepalive: true,
  });
}

const headings = [...summary.querySelectorAll(".prose :is(h2, h3)[id]")];
const read = new Set();
const seen = new IntersectionObserver(
  (entries) => {
    for (const { isIntersecting, target } of entries) read[isIntersecting ? "add" : "delete"](target);
    shown = headings.findLast((heading) => read.has(heading))?.id ?? told;
    if (shown !== told && !timer) timer = setTimeout(tell, PAUSE_MS);
  },
  // A heading counts as read from when it has come into the upper half, however far it then goes.
  { rootMargin: "1000000px 0px -50% 0px" },
);
for (const heading of headings) seen.observe(heading);
document.addEventListener("visibilitychange", () => document.hidden && tell());
