// ReLU, GELU and SiLU as curves; then SiLU at work as the gate of a real feed-forward layer.
import { curve, html, line, mount, number, plot, svg, table, visible, whole } from "../figure.js";

const REACH = 5;
const CLOSED = 0.1;

/** The error function, to 1.5e-7 (Abramowitz and Stegun 7.1.26). */
function erf(x) {
  const t = 1 / (1 + 0.3275911 * Math.abs(x));
  const terms = [0.254829592, -0.284496736, 1.421413741, -1.453152027, 1.061405429];
  const sum = terms.reduceRight((inner, term) => (inner + term) * t, 0);
  return Math.sign(x) * (1 - sum * Math.exp(-x * x));
}

const sigmoid = (x) => 1 / (1 + Math.exp(-x));
const silu = (x) => x * sigmoid(x);
const gaussian = (x) => (1 + erf(x / Math.SQRT2)) / 2;
const ACTIVATIONS = [
  { name: "ReLU", formula: "max(0, x)", style: "c2 dashed", f: (x) => Math.max(0, x), slope: (x) => (x > 0 ? 1 : 0) },
  {
    name: "GELU",
    formula: "x · Φ(x)",
    style: "c3 line dotted",
    f: (x) => x * gaussian(x),
    slope: (x) => gaussian(x) + (x * Math.exp((-x * x) / 2)) / Math.sqrt(2 * Math.PI),
  },
  {
    name: "SiLU",
    formula: "x · σ(x)",
    style: "c1 line",
    f: silu,
    slope: (x) => sigmoid(x) * (1 + x * (1 - sigmoid(x))),
  },
];

mount("gated-activations", (figure) => {
  const { model, tokens, layer, n_embd, sentence } = figure.data;
  const units = tokens[0].gate.length;
  figure.title("Activations, and a gate", "The curves are mathematics; the units below are real");

  const x = figure.slider(figure.controls(), {
    label: "x",
    min: -REACH,
    max: REACH,
    step: 0.1,
    value: -1.2,
    format: (value) => number(value, 1),
  });
  const curves = figure.picture("side-by-side centred");

  figure.heading(`SwiGLU in layer ${layer} of ${model}: SiLU(gate) × up, ${whole(units)} units`);
  const controls = figure.controls();
  const chosen = figure.select(controls, {
    label: `Token of “${sentence}”`,
    options: tokens.map(({ token, index }, value) => ({ value, label: `${index} “${visible(token)}”` })),
  });
  const unit = figure.slider(controls, { label: "Unit", min: 0, max: units - 1, value: 0 });
  const products = (token) => token.gate.map((gate, i) => silu(gate) * token.up[i]);
  const strongest = () => {
    const sizes = products(tokens[chosen.value]).map(Math.abs);
    unit.value = sizes.indexOf(Math.max(...sizes));
  };
  figure.button(controls, "Strongest unit", strongest);
  strongest();
  const real = figure.picture("side-by-side centred");

  figure.show(
    () => {
      const token = tokens[chosen.value];
      const all = products(token);
      const i = unit.value;
      const [gate, up] = [token.gate[i], token.up[i]];
      const closed = all.filter((product) => Math.abs(product) < CLOSED).length;
      curves.replaceChildren(drawCurves(x.value), valuesAt(x.value));
      real.replaceChildren(
        drawUnits(token, all, i),
        table(
          [`Unit ${i}`, "value"],
          [
            ["gate", number(gate, 2)],
            ["SiLU(gate)", number(silu(gate), 2)],
            ["up", number(up, 2)],
            ["product", number(all[i], 2)],
          ],
          { className: "fixed" },
        ),
      );
      const [relu, gelu, swish] = ACTIVATIONS.map(({ f }) => number(f(x.value), 2));
      const worded = Math.abs(silu(gate)) < CLOSED ? "its gate is all but closed" : gate > 0 ? "its gate is open" : "its gate lets a little through, its sign turned";
      figure.say(
        `At x = ${number(x.value, 1)}, ReLU gives ${relu}, GELU ${gelu} and SiLU ${swish}. ` +
          `For token ‘${token.token}’, unit ${i} writes ${number(silu(gate), 2)} × ${number(up, 2)} = ${number(all[i], 2)}: ${worded}. ` +
          `${closed} of ${units} products are smaller than ${CLOSED}, whatever their sign.`,
      );
    },
    { lines: 4 },
  );

  function side() {
    return figure.narrow ? figure.width : figure.width - 230;
  }

  function drawCurves(at) {
    const frame = plot({
      width: side(),
      height: 270,
      label: "ReLU, GELU and SiLU",
      x: { min: -REACH, max: REACH, label: "x" },
      y: { min: -1, max: REACH, label: "Activation", ticks: [-1, 0, 1, 2, 3, 4, 5] },
    });
    const points = Array.from({ length: 201 }, (_, i) => -REACH + (i * 2 * REACH) / 200);
    frame.node.append(
      line(frame.x(0), frame.top, frame.x(0), frame.bottom, "rule"),
      line(frame.x(at), frame.top, frame.x(at), frame.bottom, "zero"),
      ...ACTIVATIONS.map(({ f, style }) =>
        svg("g", { class: style.split(" ")[0] }, curve(points.map((value) => [frame.x(value), frame.y(f(value))]), style.split(" ").slice(1).join(" "))),
      ),
      ...ACTIVATIONS.map(({ f, style }) =>
        svg("circle", { cx: frame.x(at), cy: frame.y(f(at)), r: 4.5, class: `${style.split(" ")[0]} fill` }),
      ),
    );
    return frame.node;
  }

  function valuesAt(at) {
    const sample = ({ name, style }) => {
      const [colour, ...stroke] = style.split(" ");
      return html(
        "span",
        { class: "sample" },
        svg("svg", { width: 30, height: 10, class: colour, "aria-hidden": "true" }, line(0, 5, 30, 5, stroke.join(" "))),
        name,
      );
    };
    return table(
      ["", "value", "slope"],
      ACTIVATIONS.map((activation) => [
        { words: sample(activation) },
        number(activation.f(at), 2),
        number(activation.slope(at), 2),
      ]),
      { className: "fixed" },
    );
  }

  function drawUnits({ gate }, all, i) {
    const reach = Math.ceil(Math.max(...tokens.flatMap((token) => token.gate.map(Math.abs))));
    const most = Math.max(...all.map(Math.abs)) * 1.08;
    const frame = plot({
      width: side(),
      height: 270,
      label: `Gate and product of all ${units} units`,
      x: { min: -reach, max: reach, label: `Gate value (from ${n_embd} features)` },
      y: { min: -most, max: most, label: "Product, SiLU(gate) × up" },
    });
    const [cx, cy] = [frame.x(gate[i]), frame.y(all[i])];
    frame.node.append(
      line(frame.x(0), frame.top, frame.x(0), frame.bottom, "zero"),
      line(cx, frame.bottom, cx, cy, "c2 dashed"),
      svg(
        "g",
        { class: "c1" },
        all.map((product, j) =>
          svg("circle", { cx: frame.x(gate[j]), cy: frame.y(product), r: 2.25, class: "fill dot" }),
        ),
      ),
      svg("circle", { cx, cy, r: 6, class: "c2 line" }),
    );
    return frame.node;
  }
});
