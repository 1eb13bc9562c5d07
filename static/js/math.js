// Chromium gives every root the width of the font's widest root sign, and so leaves a gap behind
// it. Where the box is wider than sign and contents, the difference is taken back.

export async function tighten(root) {
  const signs = [...root.querySelectorAll("msqrt")].reverse(); // Inner ones before outer ones.
  if (!signs.length) return;
  await document.fonts.ready;
  for (const sign of signs) {
    const size = parseFloat(getComputedStyle(sign).fontSize);
    const end = sign.lastElementChild.getBoundingClientRect().right;
    const gap = (sign.getBoundingClientRect().right - end) / size;
    if (gap > 0.05) sign.style.marginInlineEnd = `${-gap}em`;
  }
}

tighten(document);
document.addEventListener("htmx:load", (event) => tighten(event.target));
