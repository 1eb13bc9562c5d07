// GPTQ on a small real block: round a column, push its error into the columns that are still free.
import { curve, drawing, line, mount, number, plot, rect, svg, text, whole } from "../figure.js";

mount("gptq-feedback", (figure) => {
  const { model, tensor, first_row, first_column, tokens, damping, bits, weights, h, blocks, better } = figure.data;
  const columns = h.length;
  figure.title(
    "Rounding with feedback",
    `${weights.length} rows and ${columns} columns of ${tensor} in ${model}; H from ${tokens} calibration tokens. Feedback wins in ${whole(better)} of the ${whole(blocks)} blocks of this size at ${bits} bits`,
  );
  const controls = figure.controls();
  const step = figure.stepper(controls, { count: columns + 1 });
  const depth = figure.radios(controls, { label: "Bits a weight", options: [2, 3, 4], value: bits });
  const block = figure.picture();
  const below = figure.picture("side-by-side");

  figure.show(
    () => {
      const history = run(Number(depth.value));
      const now = history[step.value];
      block.replaceChildren(drawBlock(now));
      below.replaceChildren(drawH(now), drawErrors(history));
      say(history, now);
    },
    { lines: 4 },
  );

  /** Every state from the original weights to the last column rounded. */
  function run(b) {
    const grids = weights.map((row) => {
      const low = Math.min(...row);
      return { low, step: (Math.max(...row) - low) / (2 ** b - 1) };
    });
    const nearest = (value, row) => Math.round((value - grids[row].low) / grids[row].step) * grids[row].step + grids[row].low;
    const mean = h.reduce((sum, row, i) => sum + row[i], 0) / columns;
    let inverse = inverted(h.map((row, i) => row.map((value, j) => value + (i === j ? damping * mean : 0))));
    let [w, plain] = [weights, weights];
    const states = [{ column: -1, w, plain, pushed: null, shares: null }];
    for (let i = 0; i < columns; i += 1) {
      const shares = inverse[i].map((value) => value / inverse[i][i]);
      const errors = w.map((row, r) => nearest(row[i], r) - row[i]);
      const pushed = w.map((_, r) => shares.map((part, j) => (j > i ? errors[r] * part : 0)));
      w = w.map((row, r) => row.map((value, j) => (j === i ? value + errors[r] : value + pushed[r][j])));
      plain = plain.map((row, r) => row.map((value, j) => (j === i ? nearest(value, r) : value)));
      inverse = inverse.map((row, a) => row.map((value, c) => value - (inverse[a][i] * inverse[i][c]) / inverse[i][i]));
      states.push({ column: i, w, plain, pushed, errors, shares });
    }
    return states.map((state) => ({ ...state, gptqError: outputError(state.w), plainError: outputError(state.plain) }));
  }

  /** δHδᵀ of a change δ, as a share of the output's energy wHwᵀ, all rows together. */
  function outputError(now) {
    const energy = (rows) =>
      rows.reduce((all, row) => all + row.reduce((sum, a, i) => sum + a * row.reduce((inner, c, j) => inner + c * h[i][j], 0), 0), 0);
    return energy(now.map((row, r) => row.map((value, i) => value - weights[r][i]))) / energy(weights);
  }

  function say(history, { column, gptqError, plainError, shares }) {
    const share = (value) => `${number(100 * value, 2)}\u00a0%`;
    if (column < 0) {
      figure.say(`These are the weights as the model has them, on a grid of ${2 ** depth.value} levels a row that is not used yet. Press Next to round the first column.`);
      return;
    }
    const factor = (plainError / gptqError).toFixed(1);
    if (column === columns - 1) {
      const moved = (key) => history.at(-1)[key].reduce((all, row, r) => all + row.reduce((sum, value, i) => sum + (value - weights[r][i]) ** 2, 0), 0);
      const further = moved("w") / moved("plain");
      figure.say(
        `All columns are rounded. The output's error is ${share(gptqError)} with feedback and ${share(plainError)} by plain rounding, ${factor} times as much${plainError > gptqError ? "" : ": here feedback lost"}. ` +
          `The weights themselves lie ${further > 1 ? "further from" : "nearer to"} the originals: their squared distance is ${further.toFixed(2)} times that of plain rounding.`,
      );
      return;
    }
    const others = shares.map((value, j) => (j > column ? Math.abs(value) : 0));
    const most = others.indexOf(Math.max(...others));
    figure.say(
      `Input ${first_column + column} is rounded. Weight ${first_column + most} makes up for most of it: it moves by ${number(shares[most], 2)} times each row's rounding error. ` +
        `So far the output's error is ${share(gptqError)} with feedback and ${share(plainError)} by plain rounding.`,
    );
  }

  function drawBlock({ w, column, pushed, errors, shares }) {
    const [left, top, tall] = [figure.narrow ? 40 : 64, 46, 38];
    const wide = Math.max((figure.width - left - 2) / columns, 50);
    const node = drawing(left + wide * columns + 2, top + tall * weights.length + 30, "The block of weights, column by column");
    node.append(text(0, 14, "Input", "quiet"), text(0, 34, figure.narrow ? "takes" : "takes over", "quiet"));
    for (let i = 0; i < columns; i += 1) {
      const x = left + (i + 0.5) * wide;
      const taken = shares && i > column ? `× ${number(shares[i], 2)}` : i === column ? "rounded" : i < column ? "done" : "";
      node.append(
        text(x, 14, String(first_column + i), i === column ? "strong" : "quiet", "middle"),
        text(x, 34, taken, i === column ? "strong small" : "quiet small", "middle"),
      );
    }
    weights.forEach((row, r) => {
      const y = top + r * tall;
      node.append(text(0, y + 23, figure.narrow ? String(first_row + r) : `row ${first_row + r}`, "quiet"));
      row.forEach((_, i) => {
        const x = left + i * wide;
        const kind = i < column ? "c1 soft" : i === column ? "c2 soft" : "frame faint";
        const change = i === column ? errors[r] : i > column && pushed ? pushed[r][i] : null;
        node.append(
          rect(x + 1, y + 1, wide - 2, tall - 2, kind),
          text(x + wide / 2, y + (change === null ? 23 : 16), number(w[r][i], 2), i === column ? "strong" : "", "middle"),
          change === null ? "" : text(x + wide / 2, y + 31, signed(change), "quiet small", "middle"),
        );
      });
    });
    if (column >= 0) node.append(rect(left + column * wide, top - 1, wide, tall * weights.length + 2, "chosen"));
    node.append(text(left, top + tall * weights.length + 20, "Small numbers: what this step added to the weight", "quiet"));
    return node;
  }

  /** Correlations of the inputs: the larger the dot the closer; hollow is negative. */
  function drawH({ column }) {
    const [left, top, each] = [30, 44, 20];
    const node = drawing(left + columns * each + 30, top + columns * each + 26, "Correlations of the inputs");
    node.append(text(0, 14, "H, as correlations"), text(0, 32, "● together  ○ opposite", "quiet"));
    h.forEach((row, i) => {
      node.append(text(left - 8, top + (i + 0.5) * each + 4, String(first_column + i), i === column ? "strong small" : "quiet small", "end"));
      row.forEach((value, j) => {
        const r = value / Math.sqrt(h[i][i] * h[j][j]);
        const [cx, cy] = [left + (j + 0.5) * each, top + (i + 0.5) * each];
        node.append(
          svg("g", { class: r < 0 ? "c2" : "c1" }, svg("circle", { cx, cy, r: Math.max(Math.sqrt(Math.abs(r)) * (each / 2 - 1), 0.8), class: r < 0 ? "thin" : "fill" })),
        );
      });
    });
    if (column >= 0) node.append(rect(left, top + column * each, columns * each, each, "chosen"));
    return node;
  }

  function drawErrors(history) {
    const width = figure.narrow ? figure.width : figure.width - 290;
    const most = Math.max(...history.map(({ plainError, gptqError }) => Math.max(plainError, gptqError)));
    const frame = plot({
      width,
      height: 270,
      label: "Output error after each column",
      x: { min: 0, max: columns, label: "Columns rounded", ticks: [0, 2, 4, 6, 8, 10] },
      y: { min: 0, max: most * 1.12, label: "Output error, share of its energy", format: (value) => `${number(100 * value, most < 0.02 ? 1 : 0)}\u00a0%` },
    });
    const until = history.slice(0, step.value + 1);
    const points = (key) => until.map((state, i) => [frame.x(i), frame.y(state[key])]);
    const legend = (at, colour, stroke, words) =>
      svg("g", { class: colour }, line(frame.left + 10, at, frame.left + 38, at, stroke), text(frame.left + 46, at + 4, words, "quiet haloed"));
    frame.node.append(
      line(frame.x(step.value), frame.top, frame.x(step.value), frame.bottom, "zero"),
      svg("g", { class: "c2" }, curve(points("plainError"), "dashed thick"), svg("circle", { cx: frame.x(step.value), cy: frame.y(until.at(-1).plainError), r: 4.5, class: "fill" })),
      svg("g", { class: "c1" }, curve(points("gptqError"), "line"), svg("circle", { cx: frame.x(step.value), cy: frame.y(until.at(-1).gptqError), r: 4.5, class: "fill" })),
      legend(frame.top + 10, "c2", "dashed thick", "plain rounding"),
      legend(frame.top + 28, "c1", "line", "with feedback (GPTQ)"),
    );
    return frame.node;
  }
});

function signed(value) {
  const words = number(value, 3);
  return words.startsWith("−") ? words : `+${words}`;
}

/** The inverse of a small matrix, by Gauss and Jordan. */
function inverted(matrix) {
  const n = matrix.length;
  const rows = matrix.map((row, i) => [...row, ...row.map((_, j) => (i === j ? 1 : 0))]);
  for (let i = 0; i < n; i += 1) {
    const pivot = rows[i][i];
    rows[i] = rows[i].map((value) => value / pivot);
    for (let r = 0; r < n; r += 1) {
      if (r === i) continue;
      const times = rows[r][i];
      rows[r] = rows[r].map((value, j) => value - times * rows[i][j]);
    }
  }
  return rows.map((row) => row.slice(n));
}
