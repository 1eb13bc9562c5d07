// What every interactive figure of a reading shares: its numbers, its controls, its one sentence.
//
// static/js/figures/NAME.js calls `mount("NAME", build)`. build(figure) adds what it needs to the
// stage, from top to bottom, and ends with `figure.show(draw)`; draw() then runs at once, after
// every change of a control, and whenever the width changes. It replaces what the pictures hold
// and calls `figure.say(sentence)`.
// A slider, select, radios or stepper is read where draw() needs it: `pair.value`.
//
// Colours are classes of figures.css, never attributes; numbers come from the campus's own model.

const SVG = "http://www.w3.org/2000/svg";
const REST_MS = 400;
let ids = 0;

/** An HTML element. `on: {click: …}` listens; null and false leave an attribute out. */
export function html(tag, attributes = {}, ...children) {
  return filled(document.createElement(tag), attributes, children);
}

/** An SVG element, in the same way. */
export function svg(tag, attributes = {}, ...children) {
  return filled(document.createElementNS(SVG, tag), attributes, children);
}

function filled(element, { on = {}, ...attributes }, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    element.setAttribute(name, value === true ? "" : value);
  }
  for (const [event, listener] of Object.entries(on)) element.addEventListener(event, listener);
  element.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined));
  return element;
}

/** Finds every figure of this name on the page, fetches its numbers and builds it. */
export function mount(name, build) {
  for (const element of document.querySelectorAll(`figure[data-figure="${name}"]`)) {
    begin(element, build);
  }
}

async function begin(element, build) {
  const stage = element.querySelector("[data-stage]");
  let data;
  try {
    const response = await fetch(element.dataset.source);
    if (!response.ok) throw new Error(`${response.status} for ${element.dataset.source}`);
    data = await response.json();
  } catch {
    const again = html("button", { type: "button", class: "button" }, "Try again");
    again.addEventListener("click", () => {
      again.replaceWith("…");
      begin(element, build);
    });
    const sentence = "The numbers of this figure could not be fetched from the campus. ";
    stage.replaceChildren(html("p", { class: "failed", role: "alert" }, sentence, again));
    return;
  }
  // Widths are measured in the page's own type.
  await document.fonts.ready;
  stage.replaceChildren();
  build(new Figure(stage, data));
}

class Figure {
  #stage;
  #sentence = html("p", { class: "says", "aria-live": "polite" });
  #draw = () => {};
  #rest = 0;

  constructor(stage, data) {
    this.#stage = stage;
    this.data = data;
  }

  /** What the pictures may be wide, in CSS pixels. */
  get width() {
    const { paddingLeft, paddingRight } = getComputedStyle(this.#stage);
    return this.#stage.clientWidth - parseFloat(paddingLeft) - parseFloat(paddingRight);
  }

  /** Whether the stage is as narrow as on a phone. */
  get narrow() {
    return this.width < 520;
  }

  /** Adds any elements to the stage and returns the first. */
  add(...elements) {
    this.#stage.append(...elements);
    return elements[0];
  }

  /** What it is, and in smaller letters where its numbers come from. */
  title(words, source) {
    this.add(html("p", { class: "title" }, words), html("p", { class: "source" }, source));
  }

  /** A quiet line above a part of the stage. */
  heading(words) {
    return this.add(html("p", { class: "part" }, words));
  }

  /** A row of controls, empty at first. */
  controls() {
    return this.add(html("div", { class: "controls" }));
  }

  /** A place for drawings. It scrolls inside if it must, and never makes the page wider. */
  picture(className = "") {
    return this.add(html("div", { class: `picture ${className}`.trim() }));
  }

  /** The sentence that says in words what is shown now. */
  say(sentence) {
    if (this.#sentence.textContent === sentence) return;
    this.#sentence.textContent = sentence;
    // Seen at once, but read aloud only when a slider has come to rest.
    this.#sentence.setAttribute("aria-busy", "true");
    clearTimeout(this.#rest);
    this.#rest = setTimeout(() => this.#sentence.removeAttribute("aria-busy"), REST_MS);
  }

  /** Draws now, after every change and whenever the width changes; keeps lines for the sentence. */
  show(draw, { lines = 3 } = {}) {
    this.#draw = draw;
    this.#sentence.classList.add(`lines-${lines}`);
    this.add(this.#sentence);
    let width = 0;
    // Told at once, and again when the width changes. One that cannot be seen has no width yet.
    new ResizeObserver(() => {
      if (this.width === width || this.width <= 0) return;
      width = this.width;
      this.refresh();
    }).observe(this.#stage);
  }

  refresh = () => {
    this.#draw();
    // What scrolls must be reached by keyboard, and nothing else be in its way.
    for (const picture of this.#stage.querySelectorAll(".picture")) {
      const scrolls = picture.scrollWidth > picture.clientWidth;
      if (scrolls === picture.hasAttribute("tabindex")) continue;
      const names = { tabindex: "0", role: "group", "aria-label": "Scrolls sideways" };
      for (const [name, value] of Object.entries(names)) {
        if (scrolls) picture.setAttribute(name, value);
        else picture.removeAttribute(name);
      }
    }
  };

  /** A range with its name and value. `format` makes words of the number; returns {value}. */
  slider(controls, { label, min, max, step = 1, value, format = String }) {
    const id = `figure-control-${(ids += 1)}`;
    const shown = html("span", { class: "value", "aria-hidden": "true" });
    const input = html("input", { type: "range", id, min, max, step });
    input.value = value;
    const tell = () => {
      shown.textContent = format(input.valueAsNumber);
      input.setAttribute("aria-valuetext", shown.textContent);
    };
    input.addEventListener("input", () => {
      tell();
      this.refresh();
    });
    tell();
    controls.append(
      html("div", { class: "control slider" }, html("label", { for: id }, label), shown, input),
    );
    return {
      input,
      get value() {
        return input.valueAsNumber;
      },
      set value(number) {
        input.value = number;
        tell();
      },
    };
  }

  /** A select; `options` are strings, or {value, label}. Returns {value}, a string. */
  select(controls, { label, options, value }) {
    const id = `figure-control-${(ids += 1)}`;
    const input = html("select", { id }, options.map((option) => {
      const { value: key, label: words } = asOption(option);
      return html("option", { value: key, selected: key === String(value) }, words);
    }));
    input.addEventListener("change", this.refresh);
    controls.append(html("div", { class: "control" }, html("label", { for: id }, label), input));
    return input;
  }

  /** Radio buttons in a row, one of them chosen. Returns {value}, a string. */
  radios(controls, { label, options, value, className = "" }) {
    const name = `figure-control-${(ids += 1)}`;
    const inputs = options.map((option) => {
      const { value: key } = asOption(option);
      const input = html("input", { type: "radio", name, value: key });
      input.checked = key === String(value);
      input.addEventListener("change", this.refresh);
      return input;
    });
    const labels = options.map((option, index) => {
      const { label: words, name: spoken } = asOption(option);
      if (spoken) inputs[index].setAttribute("aria-label", spoken);
      return html("label", {}, inputs[index], html("span", {}, words));
    });
    controls.append(
      html(
        "fieldset",
        { class: `control radios ${className}`.trim() },
        html("legend", {}, label),
        html("div", {}, labels),
      ),
    );
    return {
      inputs,
      get value() {
        return inputs.find(({ checked }) => checked).value;
      },
      set value(key) {
        inputs.find((input) => input.value === String(key)).checked = true;
      },
    };
  }

  /** A button. */
  button(controls, label, press) {
    const button = html("button", { type: "button", class: "button" }, label);
    button.addEventListener("click", () => {
      press();
      this.refresh();
    });
    controls.append(button);
    return button;
  }

  /** Back and on through `count` steps, counted from 0. Returns {value}. */
  stepper(controls, { label = "Step", count, value = 0 }) {
    let at = value;
    const shown = html("span", { class: "value" });
    const end = (button, is) => button.setAttribute("aria-disabled", is);
    const tell = () => {
      shown.textContent = `${label} ${at + 1} of ${count}`;
      end(back, at === 0);
      end(on, at === count - 1);
    };
    const go = (by) => () => {
      at = Math.min(Math.max(at + by, 0), count - 1);
      tell();
    };
    const box = html("div", { class: "control stepper", role: "group", "aria-label": label });
    const back = this.button(box, "Back", go(-1));
    const on = this.button(box, "Next", go(1));
    back.after(shown);
    tell();
    controls.append(box);
    return {
      get value() {
        return at;
      },
      set value(step) {
        at = step;
        tell();
      },
    };
  }
}

function asOption(option) {
  return typeof option === "object"
    ? { ...option, value: String(option.value) }
    : { value: String(option), label: String(option) };
}

/** A drawing of a size in CSS pixels, so that its letters are as big as the page's. */
export function drawing(width, height, label, ...children) {
  const size = { width, height, viewBox: `0 0 ${width} ${height}` };
  return svg("svg", { ...size, role: "img", "aria-label": label }, ...children);
}

/** Letters in a drawing. */
export function text(x, y, words, className = "", anchor = "start") {
  return svg("text", { x, y, class: className || null, "text-anchor": anchor }, words);
}

export function line(x1, y1, x2, y2, className) {
  return svg("line", { x1, y1, x2, y2, class: className });
}

/** A rectangle; a negative width or height grows the other way. */
export function rect(x, y, width, height, className) {
  return svg("rect", {
    x: Math.min(x, x + width),
    y: Math.min(y, y + height),
    width: Math.abs(width),
    height: Math.abs(height),
    class: className,
  });
}

/** The line through points [x, y]. */
export function curve(points, className) {
  const d = points.map(([x, y], i) => `${i ? "L" : "M"}${x.toFixed(2)} ${y.toFixed(2)}`).join("");
  return svg("path", { d, class: className });
}

/** Stripes for a fill that must not speak by colour alone: use fill="url(#id)". */
export function stripes(id, className) {
  return svg(
    "defs",
    {},
    svg(
      "pattern",
      { id, width: 6, height: 6, patternUnits: "userSpaceOnUse", patternTransform: "rotate(45)" },
      svg("rect", { width: 2.5, height: 6, class: className }),
    ),
  );
}

/** A linear map from [a, b] to [c, d]. */
export function scale([a, b], [c, d]) {
  return (value) => c + ((value - a) / (b - a)) * (d - c);
}

/** About `count` round numbers between two others. */
export function ticks(min, max, count = 5) {
  const rough = (max - min) / count;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = power * [1, 2, 5, 10].find((factor) => factor * power >= rough * 0.999);
  const first = Math.ceil(min / step - 1e-9);
  const last = Math.floor(max / step + 1e-9);
  return Array.from({ length: last - first + 1 }, (_, i) => Number(((first + i) * step).toPrecision(12)));
}

/**
 * Two axes with names and ticks. `x` and `y` are {min, max, label, count?, ticks?, format?};
 * `left` and `margin` are the room beside them.
 * Returns {node, x, y, left, right, top, bottom}: the drawing, and where a value lies in it.
 */
export function plot({ width, height, label, x, y, left = 48, margin = 12 }) {
  const [top, right, bottom] = [24, width - margin, height - 44];
  const [atX, atY] = [scale([x.min, x.max], [left, right]), scale([y.min, y.max], [bottom, top])];
  const node = drawing(width, height, label);
  const axis = svg("g", { class: "axis" });
  for (const value of y.ticks ?? ticks(y.min, y.max, y.count ?? 4)) {
    axis.append(
      line(left, atY(value), right, atY(value), value === 0 ? "zero" : "rule"),
      text(left - 6, atY(value) + 4, (y.format ?? number)(value), "", "end"),
    );
  }
  for (const value of x.ticks ?? ticks(x.min, x.max, x.count ?? (width < 420 ? 4 : 6))) {
    axis.append(
      line(atX(value), bottom, atX(value), bottom + 4, "zero"),
      text(atX(value), bottom + 18, (x.format ?? number)(value), "", "middle"),
    );
  }
  axis.append(
    line(left, bottom, right, bottom, "zero"),
    text(Math.max(left - 40, 0), 12, y.label),
    text((left + right) / 2, height - 6, x.label, "", "middle"),
  );
  node.append(axis);
  return { node, x: atX, y: atY, left, right, top, bottom };
}

/** A number with a true minus; `digits` after the point, or as many as it has. */
export function number(value, digits) {
  const words = digits === undefined ? String(value) : value.toFixed(digits);
  return (Number(words) === 0 ? words.replace("-", "") : words).replace("-", "−");
}

/** A share as "41 %"; what is not quite nothing is "< 1 %", and not quite all "> 99 %". */
export function percent(share) {
  if (share > 0 && share < 0.005) return "< 1\u00a0%";
  return share >= 0.995 && share < 1 ? "> 99\u00a0%" : `${Math.round(share * 100)}\u00a0%`;
}

/** A whole number with its thousands apart. */
export function whole(value) {
  return Math.round(value).toLocaleString("en-GB");
}

/** Bytes as "1.50 MiB", in the unit that suits. */
export function bytes(size) {
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  const power = Math.min(Math.floor(Math.log2(Math.max(size, 1)) / 10), units.length - 1);
  const value = size / 1024 ** power;
  return `${power && value < 100 ? value.toFixed(value < 10 ? 2 : 1) : whole(value)} ${units[power]}`;
}

/** A token as one can see it: its spaces drawn, a newline as a word. */
export function visible(token) {
  return token.replaceAll(" ", "␣").replaceAll("\n", "⏎");
}

/** An HTML table. `rows` are arrays; cells may be {words, class}. The first column names the row. */
export function table(columns, rows, { caption, className = "" } = {}) {
  const cell = (tag, value, extra = {}) => {
    const { words, class: name } = typeof value === "object" ? value : { words: value };
    return html(tag, { ...extra, class: name }, words);
  };
  return html(
    "table",
    { class: `values ${className}`.trim() },
    caption ? html("caption", {}, caption) : null,
    html(
      "thead",
      {},
      html("tr", {}, columns.map((column) => (column ? cell("th", column, { scope: "col" }) : html("td")))),
    ),
    html(
      "tbody",
      {},
      rows.map(([head, ...cells]) =>
        html("tr", {}, cell("th", head, { scope: "row" }), cells.map((value) => cell("td", value))),
      ),
    ),
  );
}
