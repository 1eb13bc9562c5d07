// Runs before the first paint, so that a chosen theme never flashes the other one.
"use strict";

(() => {
  const root = document.documentElement;
  const order = ["auto", "light", "dark"];
  const words = { auto: "as the system", light: "light", dark: "dark" };

  function chosen() {
    try {
      const theme = localStorage.getItem("theme");
      return order.includes(theme) ? theme : "auto";
    } catch {
      return "auto"; // Storage may be forbidden; the system's theme is always there.
    }
  }

  function show(theme) {
    if (theme === "auto") delete root.dataset.theme;
    else root.dataset.theme = theme;
    for (const button of document.querySelectorAll(".theme-button")) {
      button.hidden = false;
      button.setAttribute("aria-label", `Theme: ${words[theme]}. Change it`);
      button.title = `Theme: ${words[theme]}`;
    }
    document.dispatchEvent(new CustomEvent("themechange"));
  }

  show(chosen());
  document.addEventListener("DOMContentLoaded", () => show(chosen()));
  document.addEventListener("click", (event) => {
    if (!event.target.closest(".theme-button")) return;
    const next = order[(order.indexOf(chosen()) + 1) % order.length];
    try {
      localStorage.setItem("theme", next);
    } catch {
      // The choice then holds for this page only.
    }
    show(next);
  });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => show(chosen()));
})();
