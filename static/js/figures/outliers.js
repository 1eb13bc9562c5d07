// Products in 8 bits: one scale, a scale a token, and the largest features kept apart.
import { curve, line, mount, number, plot, rect, svg, table, text } from "../figure.js";

const LEVELS = 127; // on each side of zero
const MOST = 40; // times a feature can be enlarged
const METHODS = [
  { key: "one", name: "One scale each", style: "c2 dashed thick" },
  { key: "rows", name: "A scale a row", style: "c3 line dotted" },
  { key: "split", name: "Rows, and split", style: "c1 line" },
];

mount("outliers", (figure) => {
  const { model, tensor, n_outputs, tokens, x, weights } = figure.data;
  const features = x[0].length;
  const reach = peaks(x);
  const order = reach.map((_, feature) => feature).sort((a, b) => reach[b] - reach[a]);
  figure.title(
    "Eight bits and one loud feature",
    `Real inputs and weights of ${tensor} in ${model}: ${tokens.length} held-out tokens, ${features} features, ${weights.length} of ${n_outputs} outputs`,
  );

  const first = figure.controls();
  const chosen = figure.select(first, {
    label: "Feature to enlarge",
    options: [0, 1, features / 2, features - 1].map((place) => ({
      value: order[place],
      label: `${order[place]}, at most ${number(reach[order[place]], 2)}`,
    })),
  });
  const factor = figure.slider(first, {
    label: "Multiply it by (changes the data)",
    min: 1,
    max: MOST,
    value: 1,
    format: (value) => `× ${value}`,
  });
  const threshold = figure.slider(first, {
    label: "Keep apart features with",
    min: 2,
    max: 20,
    step: 0.25,
    value: 6,
    format: (value) => `|x| ≥ ${value.toFixed(2)}`,
  });
  const seen = figure.picture();
  const errors = figure.picture("side-by-side centred");
  let known = { key: "", curves: {} };

  figure.show(
    () => {
      const feature = Number(chosen.value);
      const now = measured(feature, factor.value, threshold.value);
      seen.replaceChildren(drawFeatures(now, feature));
      errors.replaceChildren(
        drawErrors(curves(feature, threshold.value), now),
        table(
          ["8-bit product", "become 0", "error"],
          METHODS.map(({ key, name }) => [name, `${number(100 * now[key].zeros, 1)}\u00a0%`, share(now[key].error)]),
          { className: "fixed" },
        ),
      );
      say(now, feature);
    },
    { lines: 5 },
  );

  function say({ one, rows, split, apart, peak }, feature) {
    const largest = Math.max(...peak);
    const kept = apart.length === 1 ? "one feature" : `${apart.length} of ${features} features`;
    const real = factor.value === 1;
    const begin = real
      ? `As the model has it, the largest |x| is ${number(largest, 2)}: ${largest < 6 ? "a model this small has no outliers of 6 or more" : "no more than that"}.`
      : `Feature ${feature}, enlarged ${factor.value} times and its weights divided by as much, reaches ${number(peak[feature], 1)}; the exact product is the same as before.`;
    const end = apart.length
      ? `with ${kept} kept apart, ${share(split.error)}.`
      : `at this threshold nothing is kept apart, so the split changes nothing.`;
    figure.say(`${begin} One scale for each matrix gives an error of ${share(one.error)}, a scale for each token and output ${share(rows.error)}; ${end}`);
  }

  /** The three products, with a feature enlarged and its weights divided by the same factor. */
  function measured(feature, times, from) {
    const a = x.map((row) => row.map((value, k) => (k === feature ? value * times : value)));
    const b = weights.map((row) => row.map((value, k) => (k === feature ? value / times : value)));
    const exact = product(a, b);
    const peak = peaks(a);
    const apart = peak.flatMap((value, k) => (value >= from ? [k] : []));
    const outlier = new Set(apart);
    const small = (matrix) => matrix.map((row) => row.map((value, k) => (outlier.has(k) ? 0 : value)));
    const large = (matrix) => matrix.map((row) => apart.map((k) => row[k]));
    const result = (left, right, part) => {
      const sum = product(left.restored, right.restored);
      const exactly = part ? product(large(a), large(b)) : null;
      return {
        zeros: left.zeros,
        error: relative(sum.map((row, i) => row.map((value, j) => value + (exactly?.[i][j] ?? 0))), exact),
      };
    };
    return {
      one: result(wholly(a), wholly(b)),
      rows: result(byRow(a), byRow(b)),
      split: result(byRow(small(a), apart.length), byRow(small(b)), apart.length > 0),
      apart,
      peak,
      step: Math.max(...peak) / LEVELS,
    };
  }

  /** The errors for every factor; they are computed when feature or threshold change. */
  function curves(feature, from) {
    const key = `${feature} ${from}`;
    if (known.key !== key) {
      const factors = [1, 2, 3, 4, 5, 6, 8, 10, 12, 15, 18, 21, 25, 30, 35, MOST];
      known = { key, curves: factors.map((times) => ({ times, ...measured(feature, times, from) })) };
    }
    return known.curves;
  }

  function drawFeatures({ peak, step, apart }, feature) {
    const log = Math.log10;
    const [low, high] = [0.05, 250];
    const frame = plot({
      width: figure.width,
      height: 270,
      label: "The largest magnitude of every feature",
      x: { min: 0, max: features, label: `Features 0 … ${features - 1}`, ticks: [0, 64, 128, 192, 256] },
      y: {
        min: log(low),
        max: log(high),
        label: `Largest |x| over ${tokens.length} tokens (each line × 10)`,
        ticks: [-1, 0, 1, 2],
        format: (value) => number(10 ** value),
      },
    });
    const y = (value) => frame.y(log(Math.max(value, low)));
    const outlier = new Set(apart);
    frame.node.append(
      rect(frame.left, y(step / 2), frame.right - frame.left, frame.bottom - y(step / 2), "blank"),
      ...peak.map((value, k) => {
        const cx = frame.x(k + 0.5);
        return outlier.has(k)
          ? svg("g", { class: "c2" }, rect(cx - 3.5, y(value) - 3.5, 7, 7, "fill"))
          : svg("g", { class: "c1" }, svg("circle", { cx, cy: y(value), r: 2.25, class: "fill" }));
      }),
      svg("g", { class: "c2" }, line(frame.left, y(threshold.value), frame.right, y(threshold.value), "dashed")),
      text(frame.right - 4, y(threshold.value) - 6, "threshold: squares are kept apart", "c2 in-colour strong haloed", "end"),
      line(frame.left, y(step / 2), frame.right, y(step / 2), "zero"),
      text(frame.right - 4, Math.min(y(step / 2) + 15, frame.bottom - 4), "in here, one scale makes all 0", "quiet", "end"),
      svg("circle", { cx: frame.x(feature + 0.5), cy: y(peak[feature]), r: 8, class: "chosen" }),
    );
    return frame.node;
  }

  function drawErrors(points, now) {
    const width = figure.narrow ? figure.width : figure.width - 290;
    const most = Math.max(...points.map(({ one }) => one.error), ...points.map(({ rows }) => rows.error));
    const frame = plot({
      width,
      height: 230,
      label: "Error of the product against the factor",
      x: { min: 0, max: MOST, label: "Factor of the chosen feature" },
      y: { min: 0, max: most * 1.05, label: "Error of the product", format: (value) => `${number(value * 100, most < 0.04 ? 1 : 0)}\u00a0%` },
    });
    frame.node.append(
      line(frame.x(factor.value), frame.top, frame.x(factor.value), frame.bottom, "zero"),
      ...METHODS.map(({ key, style }) => {
        const [colour, ...stroke] = style.split(" ");
        return svg(
          "g",
          { class: colour },
          curve(points.map((point) => [frame.x(point.times), frame.y(point[key].error)]), stroke.join(" ")),
          svg("circle", { cx: frame.x(factor.value), cy: frame.y(now[key].error), r: 4.5, class: "fill" }),
        );
      }),
      ...METHODS.map(({ name, style }, i) => {
        const [colour, ...stroke] = style.split(" ");
        const at = frame.top + 10 + i * 18;
        return svg("g", { class: colour }, line(frame.left + 10, at, frame.left + 38, at, stroke.join(" ")), text(frame.left + 46, at + 4, name, "quiet haloed"));
      }),
    );
    return frame.node;
  }
});

function share(value) {
  return `${number(value * 100, 2)}\u00a0%`;
}

function peaks(matrix) {
  return matrix[0].map((_, k) => Math.max(...matrix.map((row) => Math.abs(row[k]))));
}

/** a @ bᵀ: (tokens, features) times (outputs, features) is (tokens, outputs). */
function product(a, b) {
  return a.map((left) => b.map((right) => left.reduce((sum, value, k) => sum + value * right[k], 0)));
}

/** One absmax scale for the whole matrix. */
function wholly(matrix) {
  return rounded(matrix, matrix.map(() => Math.max(...peaks(matrix)) / LEVELS));
}

/** An absmax scale for each row; `apart` features are 0 here because they are not rounded at all. */
function byRow(matrix, apart = 0) {
  return rounded(matrix, matrix.map((row) => Math.max(...row.map(Math.abs)) / LEVELS), apart);
}

/** The matrix as integers times its scales, and the share of values that became 0. */
function rounded(matrix, scales, apart = 0) {
  const codes = matrix.map((row, i) => row.map((value) => (scales[i] ? Math.round(value / scales[i]) : 0)));
  const zeros = codes.flat().filter((code) => code === 0).length - apart * matrix.length;
  return {
    restored: codes.map((row, i) => row.map((code) => code * scales[i])),
    zeros: Math.max(zeros, 0) / (matrix.length * matrix[0].length),
  };
}

function relative(got, exact) {
  let [difference, energy] = [0, 0];
  exact.forEach((row, i) =>
    row.forEach((value, j) => {
      difference += (got[i][j] - value) ** 2;
      energy += value ** 2;
    }),
  );
  return Math.sqrt(difference / energy);
}
