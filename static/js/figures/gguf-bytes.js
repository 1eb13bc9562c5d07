// The bytes of a real GGUF file, each with the field that it belongs to.
import { html, mount, table, whole } from "../figure.js";

const LITTLE = /^(u?int|float)/;

mount("gguf-bytes", (figure) => {
  const { model, file_bytes, windows } = figure.data;
  const fields = windows.flatMap(({ fields: own }, place) => own.map((field) => ({ ...field, place })));
  figure.title("A file, byte by byte", `Real bytes of ${model}, ${whole(file_bytes)} in all, in hexadecimal; choose one, or walk with the arrow keys`);

  const controls = figure.controls();
  const part = figure.radios(controls, {
    label: "Part of the file",
    options: windows.map(({ name }, value) => ({ value, label: name })),
    value: 0,
  });
  const step = figure.stepper(controls, { label: "Field", count: fields.length });
  const dump = figure.picture();
  const facts = figure.picture();
  let at = 0; // the chosen byte, counted from the start of the file
  let shown = null;
  let drawn = "";
  let cells = new Map();
  const longest = Math.max(...windows.map(({ bytes }) => bytes.length / 2));

  figure.show(
    () => {
      // Whatever was moved last leads, and the others follow.
      if (shown !== null && Number(part.value) !== fields[shown].place) at = windows[part.value].offset;
      else if (step.value !== shown) at = fields[step.value].offset;
      shown = fieldAt(at);
      step.value = shown;
      part.value = fields[shown].place;
      draw(windows[part.value]);
      mark();
      facts.replaceChildren(explain(fields[shown]));
      say(fields[shown]);
    },
    { lines: 3 },
  );

  function fieldAt(offset) {
    return fields.findIndex((field) => offset >= field.offset && offset < field.offset + field.length);
  }

  /** The dump of one window; only what another window or another width needs is built anew. */
  function draw(view) {
    const wide = figure.width > 600 ? 16 : 8;
    const key = `${view.offset} ${wide}`;
    if (drawn === key) return;
    drawn = key;
    cells = new Map();
    const bytes = view.bytes.match(/../g);
    const lines = [];
    for (let start = 0; start < longest; start += wide) {
      const row = bytes.slice(start, start + wide);
      lines.push(row.length ? lineOf(view, row, start, wide) : html("div", { class: "hex-line", "aria-hidden": "true" }, "\u00a0"));
    }
    dump.replaceChildren(
      html("div", { class: "hex", role: "grid", "aria-label": `Bytes of ${view.name}`, on: { keydown: walk, click: choose } }, lines),
    );
  }

  function lineOf(view, row, start, wide) {
    const offset = view.offset + start;
    const spans = row.map((byte, i) => {
      const field = fields[fieldAt(offset + i)];
      const name = `${byte}, byte ${offset + i}, ${field.name}`;
      const other = fieldAt(offset + i) % 2 ? "byte other" : "byte";
      const cell = html("span", { class: other, role: "gridcell", tabindex: -1, "data-offset": offset + i, "aria-label": name }, byte);
      cells.set(offset + i, cell);
      return cell;
    });
    const letters = row.map((byte) => (/^(2[0-9a-f]|[3-6][0-9a-f]|7[0-9a-e])$/.test(byte) ? String.fromCharCode(parseInt(byte, 16)) : "·")).join("");
    return html(
      "div",
      { class: "hex-line", role: "row" },
      html("span", { class: "hex-offset", role: "rowheader" }, offset.toString(16).padStart(6, "0")),
      spans,
      wide === 16 ? html("span", { class: "hex-letters", role: "gridcell", "aria-label": `as letters: ${letters}` }, letters) : null,
    );
  }

  function mark() {
    for (const [offset, cell] of cells) {
      const inside = fieldAt(offset) === shown;
      cell.classList.toggle("in-field", inside);
      cell.setAttribute("aria-selected", inside);
      cell.tabIndex = offset === at ? 0 : -1;
    }
  }

  function go(offset, focus) {
    if (!cells.has(offset)) return;
    at = offset;
    shown = fieldAt(at);
    step.value = shown;
    figure.refresh();
    if (focus) cells.get(at).focus();
  }

  function choose({ target }) {
    if (target.dataset.offset) go(Number(target.dataset.offset), true);
  }

  function walk(event) {
    const view = windows[part.value];
    const wide = figure.width > 600 ? 16 : 8;
    const place = (at - view.offset) % wide;
    const to = {
      ArrowRight: at + 1,
      ArrowLeft: at - 1,
      ArrowDown: at + wide,
      ArrowUp: at - wide,
      Home: at - place,
      End: Math.min(at - place + wide - 1, view.offset + view.bytes.length / 2 - 1),
    }[event.key];
    if (to === undefined || event.ctrlKey || event.altKey || event.metaKey) return;
    event.preventDefault();
    go(to, true);
  }

  function bytesOf({ offset, length, place }) {
    const { offset: start, bytes } = windows[place];
    return bytes.slice(2 * (offset - start), 2 * (offset - start + length)).match(/../g);
  }

  function explain(field) {
    const bytes = bytesOf(field);
    const most = figure.narrow ? 8 : 16;
    const inFile = bytes.length > most ? `${bytes.slice(0, most).join(" ")} …` : bytes.join(" ");
    const order = LITTLE.test(field.type) ? `0x${[...bytes].reverse().join("")}` : "as they stand";
    const end = field.offset + field.length - 1;
    return table(
      ["", field.name],
      [
        ["Part", field.part],
        ["Bytes", `${field.offset} … ${end} (hex ${field.offset.toString(16)} … ${end.toString(16)})`],
        ["Type", `${field.type}, ${field.length} ${field.length === 1 ? "byte" : "bytes"}`],
        ["In the file", { words: inFile, class: "code" }],
        [LITTLE.test(field.type) ? "Backwards" : "Read", { words: order, class: "code" }],
        ["Value", field.value],
      ],
      { className: "facts-of-field" },
    );
  }

  function say(field) {
    const words = { header: "the header", metadata: "the metadata", "tensor info": "the tensor list", padding: "the padding", data: "the data section" }[field.part];
    const order = LITTLE.test(field.type) && field.length > 1 ? " The lowest byte comes first: read the bytes backwards." : "";
    figure.say(`${field.name}, in ${words}: ${field.value}. ${field.meaning}${order}`);
  }
});
