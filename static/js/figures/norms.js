// RMSNorm and LayerNorm of one real hidden state, and what a shift and a factor do to each.
import { curve, drawing, line, mount, number, scale, svg, table, text, visible } from "../figure.js";

mount("norms", (figure) => {
  const { model, states, epsilon, sentence } = figure.data;
  figure.title(
    "What a norm takes away",
    `A hidden state of ${model} in “${sentence}”, before attn_norm; both norms without their weights`,
  );
  const controls = figure.controls();
  const chosen = figure.select(controls, {
    label: "Hidden state",
    value: 3,
    options: states.map(({ layer, token, index }, value) => ({
      value,
      label: `layer ${layer}, token ${index} “${visible(token)}”`,
    })),
  });
  const factor = figure.slider(controls, {
    label: "Multiply x by",
    min: 0.25,
    max: 2,
    step: 0.05,
    value: 1,
    format: (value) => `× ${value.toFixed(2)}`,
  });
  const shift = figure.slider(controls, {
    label: "Add to every feature",
    min: -2,
    max: 2,
    step: 0.1,
    value: 0,
    format: (value) => `${value < 0 ? "−" : "+"} ${Math.abs(value).toFixed(1)} std`,
  });
  const picture = figure.picture();
  const values = figure.picture();

  figure.show(() => {
    const { x } = states[chosen.value];
    const original = measures(x);
    const added = shift.value * original.std;
    const changed = x.map((value) => value * factor.value + added);
    const panels = [
      { name: "x, as changed", before: x, now: changed, room: 2 },
      { name: "RMSNorm(x) = x / √(mean of x² + ε)", before: rmsNorm(x), now: rmsNorm(changed), room: 1.1 },
      { name: "LayerNorm(x) = (x − mean) / √(variance + ε)", before: layerNorm(x), now: layerNorm(changed), room: 1.1 },
    ];
    picture.replaceChildren(draw(panels));
    values.replaceChildren(
      table(
        ["", "mean", "RMS", "std", "change"],
        panels.map(({ before, now }, index) => {
          const { mean, rms, std } = measures(now);
          const name = ["x", "RMSNorm", "LayerNorm"][index];
          return [name, ...[mean, rms, std, furthest(before, now)].map((value) => number(value, 2))];
        }),
      ),
    );
    say(panels);
  }, { lines: 4 });

  function say(panels) {
    const [, rms, layer] = panels;
    const [ofRms, ofLayer] = [rms, layer].map(({ before, now }) => furthest(before, now));
    const still = (name, by) =>
      by < 0.005 ? `${name} stays the same` : `${name} changes by up to ${number(by, 2)}`;
    const done = [
      factor.value === 1 ? null : `multiplied by ${factor.value.toFixed(2)}`,
      shift.value === 0 ? null : `shifted by ${number(shift.value, 1)} standard deviations`,
    ].filter(Boolean);
    if (!done.length) {
      const { mean, rms: root } = measures(panels[0].now);
      figure.say(
        "x is as the model has it. RMSNorm divides by the RMS; LayerNorm takes the mean away first, and that is the whole difference. " +
          `Here the mean is ${number(mean, 2)} and the RMS ${number(root, 2)}: the two come out ${Math.abs(mean) < root / 10 ? "nearly alike" : "unlike"}.`,
      );
      return;
    }
    const small = epsilon && shift.value === 0 && ofRms >= 0.005 ? " It is ε that shows here: x is small." : "";
    const reason = shift.value
      ? "LayerNorm takes every shift away with the mean; RMSNorm keeps it."
      : "A factor falls out of both: it stands above and below the fraction.";
    figure.say(`With x ${done.join(" and ")}, ${still("RMSNorm", ofRms)} and ${still("LayerNorm", ofLayer)}. ${reason}${small}`);
  }

  function rmsNorm(x) {
    const { rms } = measures(x);
    return x.map((value) => value / Math.sqrt(rms ** 2 + epsilon));
  }

  function layerNorm(x) {
    const { mean, std } = measures(x);
    return x.map((value) => (value - mean) / Math.sqrt(std ** 2 + epsilon));
  }

  /** Bars for what is now, a line for what was; each panel keeps its scale while x is changed. */
  function draw(panels) {
    const [left, each, gap, right] = [44, 100, 34, figure.width - 1];
    const node = drawing(
      figure.width,
      panels.length * (each + gap) + 18,
      "The features of x, and of its two norms, before and after the change",
    );
    const reach = (values) => Math.max(...values.map(Math.abs));
    // Both norms on one scale, so that they can be compared.
    const common = Math.max(reach(panels[1].before), reach(panels[2].before));
    panels.forEach(({ name, before, now, room }, index) => {
      const top = index * (each + gap) + gap - 10;
      const limit = (index ? common : reach(before)) * room;
      const y = scale([-limit, limit], [top + each, top]);
      const inside = (value) => y(Math.min(Math.max(value, -limit), limit));
      const x = scale([0, now.length], [left, right]);
      const step = x(1) - x(0);
      const bars = now.map((value, i) => `M${x(i).toFixed(1)} ${y(0).toFixed(1)}h${(step * 0.82).toFixed(2)}V${inside(value).toFixed(1)}H${x(i).toFixed(1)}Z`);
      const outline = before.flatMap((value, i) => [[x(i), inside(value)], [x(i + 1), inside(value)]]);
      const digits = limit < 10 ? 1 : 0;
      node.append(
        text(0, top - 8, name, "quiet"),
        ...[limit, 0, -limit].map((value) => text(left - 6, y(value) + (value > 0 ? 10 : value < 0 ? 0 : 4), number(value, digits), "quiet small", "end")),
        line(left, top, right, top, "rule"),
        line(left, top + each, right, top + each, "rule"),
        svg("path", { d: bars.join(""), class: ["c5 fill", "c1 fill", "c3 fill"][index] }),
        svg("g", { class: "before" }, curve(outline, "thin")),
        line(left, y(0), right, y(0), "zero"),
      );
    });
    node.append(
      text(left, panels.length * (each + gap) + 10, `Features 0 … ${panels[0].now.length - 1}`, "quiet"),
      text(right, panels.length * (each + gap) + 10, figure.narrow ? "thin line: unchanged x" : "thin line: with x unchanged", "quiet", "end"),
    );
    return node;
  }
});

/** Mean, root of the mean square, and standard deviation. */
function measures(x) {
  const mean = x.reduce((sum, value) => sum + value, 0) / x.length;
  const square = x.reduce((sum, value) => sum + value ** 2, 0) / x.length;
  return { mean, rms: Math.sqrt(square), std: Math.sqrt(Math.max(square - mean ** 2, 0)) };
}

function furthest(before, now) {
  return Math.max(...now.map((value, i) => Math.abs(value - before[i])));
}
