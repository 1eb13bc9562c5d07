// A card with the definition of a term beside its link: when a mouse rests on it, or on keyboard
// focus. A tap just follows the link.
import { tighten } from "./math.js";

const REST_MS = 200;
// Time enough to move from the link onto the card.
const LEAVE_MS = 250;
const GAP = 8;

// The texts by address: each is fetched once a page.
const texts = new Map();
const card = document.createElement("div");
card.id = "term-card";
card.className = "term-card";
card.role = "tooltip";
card.popover = "manual";

// What the card is about, or is waited for.
let link = null;
let timer = 0;

function fetched(address) {
  if (!texts.has(address)) {
    const text = fetch(address).then((response) => (response.ok ? response.text() : ""));
    texts.set(address, text);
    // Without its text a term is asked for again next time; its link works as ever.
    text.catch(() => "").then((html) => html || texts.delete(address));
  }
  return texts.get(address);
}

async function show(wanted) {
  const html = await fetched(`${wanted.pathname}card/`).catch(() => "");
  if (wanted !== link || !html) return;
  card.innerHTML = html;
  document.querySelector("main").append(card);
  card.showPopover();
  link.setAttribute("aria-describedby", card.id);
  place();
  await tighten(card);
}

// Below the link, or above where there is no room; in the page, so that both scroll together.
function place() {
  const { left, top, bottom } = link.getBoundingClientRect();
  const { clientWidth, clientHeight } = document.documentElement;
  const { offsetWidth, offsetHeight } = card;
  const hasRoom = bottom + GAP + offsetHeight <= clientHeight || top - GAP - offsetHeight < 0;
  const y = hasRoom ? bottom + GAP : top - GAP - offsetHeight;
  const x = Math.max(GAP, Math.min(left, clientWidth - GAP - offsetWidth));
  card.style.left = `${x + scrollX}px`;
  card.style.top = `${y + scrollY}px`;
}

function open(wanted, delay) {
  clearTimeout(timer);
  if (wanted === link) return;
  close();
  link = wanted;
  timer = setTimeout(show, delay, wanted);
}

function close() {
  clearTimeout(timer);
  link?.removeAttribute("aria-describedby");
  link = null;
  if (card.matches(":popover-open")) card.hidePopover();
}

const termAt = (target) => target.closest?.("a.term");

document.addEventListener("pointerover", ({ target, pointerType }) => {
  if (pointerType !== "mouse") return;
  const wanted = termAt(target);
  if (wanted) open(wanted, REST_MS);
  else if (card.contains(target)) clearTimeout(timer);
});
document.addEventListener("pointerout", ({ target, pointerType }) => {
  if (pointerType !== "mouse" || !(termAt(target) || card.contains(target))) return;
  clearTimeout(timer);
  timer = setTimeout(close, LEAVE_MS);
});
document.addEventListener("focusin", ({ target }) => {
  if (termAt(target) && target.matches(":focus-visible")) open(target, 0);
});
document.addEventListener("focusout", ({ target }) => {
  if (target === link) close();
});
document.addEventListener("keydown", ({ key }) => {
  if (key === "Escape") close();
});
// The link may be gone with what htmx replaced, or the page be kept while another is shown.
document.addEventListener("htmx:afterSwap", () => link?.isConnected || close());
window.addEventListener("pagehide", close);
