// AWQ: scale the loud channels before rounding, and see what the output makes of it.
import { curve, drawing, line, mount, number, plot, rect, scale, svg, table, text } from "../figure.js";

mount("awq-scaling", (figure) => {
  const { model, tensor, group, largest_code, n_outputs, searched_tokens, judged_tokens } = figure.data;
  const { alphas, errors, wrong_way, coarser, loudness, weights } = figure.data;
  const channels = loudness.length;
  const median = [...loudness].sort((a, b) => a - b)[channels / 2];
  const loud = loudness.map((value) => value / median);
  const best = errors.indexOf(Math.min(...errors));
  figure.title(
    "Scaling the loud channels",
    `${tensor} of ${model}, all ${n_outputs} × ${channels} weights in 4 bits, ${group} to a group; loudness from ${searched_tokens} calibration tokens, error on ${judged_tokens} held-out tokens`,
  );
  const first = figure.controls();
  const alpha = figure.slider(first, {
    label: "α",
    min: 0,
    max: 1,
    step: alphas[1],
    value: 0,
    format: (value) => value.toFixed(2),
  });
  const way = figure.radios(first, {
    label: "Weights are",
    options: [
      { value: "times", label: "multiplied by s" },
      { value: "divided", label: "divided by s (wrong)" },
    ],
    value: "times",
  });
  const search = figure.picture("side-by-side centred");
  figure.heading("One group under the lens");
  const second = figure.controls();
  const row = figure.radios(second, { label: "Row (an output)", options: weights.map((_, i) => i), value: 0 });
  const loudest = loud.indexOf(Math.max(...loud));
  const part = figure.slider(second, {
    label: "Group of channels",
    min: 0,
    max: channels / group - 1,
    value: Math.floor(loudest / group),
    format: (value) => `${value * group} … ${value * group + group - 1}`,
  });
  const lens = figure.picture();

  figure.show(
    () => {
      const at = alphas.findIndex((value) => Math.abs(value - alpha.value) < 1e-6);
      const wrong = way.value === "divided";
      const plain = inGroup(0);
      const now = inGroup(wrong ? -alpha.value : alpha.value);
      const error = (wrong ? wrong_way : errors)[at];
      search.replaceChildren(
        drawSearch(at, wrong),
        table(
          ["", "now"],
          [
            ["Error, all outputs", share(error)],
            ["plain, α = 0", share(errors[0])],
            [`lowest, α = ${alphas[best].toFixed(2)}`, share(errors[best])],
            ["Coarser groups", wrong ? "–" : `${number(100 * coarser[at], 0)}\u00a0%`],
            ["Step of the group", `× ${(now.step / plain.step).toFixed(2)}`],
          ],
          { className: "fixed" },
        ),
      );
      lens.replaceChildren(drawLens(plain, now));
      say(at, wrong, error, plain, now);
    },
    { lines: 4 },
  );

  /** The channels of the chosen group, scaled with an exponent, rounded, and scaled back. */
  function inGroup(exponent) {
    const from = part.value * group;
    const w = weights[row.value].slice(from, from + group);
    const s = loud.slice(from, from + group).map((value) => value ** exponent);
    const scaled = w.map((value, i) => value * s[i]);
    const step = Math.max(...scaled.map(Math.abs)) / largest_code;
    const codes = scaled.map((value) => Math.round(value / step));
    const error = w.map((value, i) => ((codes[i] * step) / s[i] - value) * loudness[from + i]);
    return { from, s, scaled, step, codes, error };
  }

  function say(at, wrong, error, plain, now) {
    const against = error / errors[0] - 1;
    const change = Math.abs(against) < 0.0005 ? "plain rounding" : `${number(Math.abs(100 * against), 0)}\u00a0% ${against < 0 ? "less" : "more"} than plain rounding`;
    const [a, b] = [plain, now].map(({ error: parts }) => Math.sqrt(parts.reduce((sum, value) => sum + value ** 2, 0)));
    const steps = now.step / plain.step;
    const stepped = Math.abs(steps - 1) < 0.01 ? "keeps its step" : `has a step ${steps.toFixed(2)} times as large`;
    const moral = wrong
      ? alpha.value > 0
        ? " Dividing makes loud channels coarser, just where an error is heard most."
        : ""
      : at === best
        ? " This is the lowest of the 21 values tried."
        : "";
    figure.say(
      `With α = ${alpha.value.toFixed(2)} the error is ${share(error)} of the output's energy, ${change}.${moral} ` +
        `The group under the lens ${stepped}; its errors at the output ${Math.abs(b / a - 1) < 0.005 ? "stay as they were" : `${b < a ? "shrink" : "grow"} to ${number((100 * b) / a, 0)}\u00a0%`}.`,
    );
  }

  function drawSearch(at, wrong) {
    const width = figure.narrow ? figure.width : figure.width - 230;
    const [low, high] = [0.01, 0.04];
    const frame = plot({
      width,
      height: 260,
      label: "Error against alpha",
      x: { min: 0, max: 1, label: "α" },
      y: { min: low, max: high, label: figure.narrow ? "Error, share of the energy (from 1\u00a0%)" : "Error, share of the output's energy (axis starts at 1\u00a0%)", ticks: [0.01, 0.02, 0.03, 0.04], format: (value) => `${number(100 * value, 0)}\u00a0%` },
      left: 40,
    });
    const points = (values) => values.map((value, i) => [frame.x(alphas[i]), frame.y(value)]).filter(([, y]) => y >= frame.top);
    const now = Math.min((wrong ? wrong_way : errors)[at], high);
    const leaves = points(wrong_way).at(-1);
    frame.node.append(
      line(frame.x(alphas[at]), frame.top, frame.x(alphas[at]), frame.bottom, "zero"),
      svg("g", { class: "c2" }, curve(points(wrong_way), "dashed thick")),
      svg("g", { class: "c1" }, curve(points(errors), "line"), svg("circle", { cx: frame.x(alphas[best]), cy: frame.y(errors[best]), r: 8, class: "thin" })),
      text(leaves[0] + 10, leaves[1] + 6, `${figure.narrow ? "÷ s" : "divided"}: ${number(100 * wrong_way.at(-1), 0)}\u00a0% at α = 1`, "c2 in-colour strong haloed"),
      text(frame.x(alphas[best]), frame.y(errors[best]) + 26, `lowest: ${share(errors[best])}`, "c1 in-colour strong haloed", "middle"),
      svg("circle", { cx: frame.x(alphas[at]), cy: frame.y(now), r: 5, class: wrong ? "c2 fill" : "c1 fill" }),
    );
    return frame.node;
  }

  /** Three strips over the channels of the group: how loud, the scaled weights on their grid, the error. */
  function drawLens(plain, now) {
    const [left, right] = [46, figure.width - 2];
    const x = scale([0, group], [left, right]);
    const wide = x(1) - x(0);
    const node = drawing(figure.width, 420, "Loudness, scaled weights and errors of one group");
    const bar = (i, from, to, kind) => rect(x(i) + wide * 0.15, from, wide * 0.7, to - from, kind);

    const top = scale([0, Math.max(...loud)], [92, 24]);
    const here = loud.slice(now.from, now.from + group);
    node.append(
      text(0, 12, "Loudness: mean |x|, median channel = 1", "quiet"),
      line(left, top(1), right, top(1), "rule"),
      text(left - 6, top(1) + 4, "1", "quiet small", "end"),
      svg("g", { class: "c5" }, here.map((value, i) => bar(i, top(0), top(value), "fill"))),
      line(left, top(0), right, top(0), "zero"),
    );

    // Room for the widest that the scale can make of this group.
    const extremes = [-1, 0, 1].map((exponent) => Math.max(...inGroup(exponent).scaled.map(Math.abs)));
    const limit = Math.min(Math.max(...extremes), 1.9 * extremes[1]);
    const middle = scale([-limit, limit], [262, 134]);
    const inside = (value) => middle(Math.min(Math.max(value, -limit), limit));
    const levels = Array.from({ length: 2 * largest_code + 1 }, (_, i) => (i - largest_code) * now.step);
    node.append(
      text(0, 122, figure.narrow ? `s · w, ${2 * largest_code + 1} levels; dots: as rounded` : `s · w, and the ${2 * largest_code + 1} levels of its grid; dots: as rounded`, "quiet"),
      ...levels.filter((value) => Math.abs(value) <= limit * 1.001).map((value) => line(left, middle(value), right, middle(value), value === 0 ? "zero" : "rule")),
      text(left - 6, inside(largest_code * now.step) + 5, number(largest_code * now.step, 2), "quiet small", "end"),
      text(left - 6, middle(0) + 4, "0", "quiet small", "end"),
      svg("g", { class: "c1" }, now.scaled.map((value, i) => bar(i, middle(0), inside(value), "soft"))),
      svg("g", { class: "c1" }, now.codes.map((code, i) => svg("circle", { cx: x(i + 0.5), cy: inside(code * now.step), r: Math.min(wide * 0.3, 3.5), class: "fill" }))),
    );

    const most = 1.6 * Math.max(...plain.error.map(Math.abs));
    const lower = scale([-most, most], [392, 304]);
    const within = (value) => lower(Math.min(Math.max(value, -most), most));
    node.append(
      text(0, 292, figure.narrow ? "Error × mean |x| (thin: at α = 0)" : "Error × mean |x|: what the output hears (thin: at α = 0)", "quiet"),
      line(left, lower(0), right, lower(0), "zero"),
      svg("g", { class: "c2" }, now.error.map((value, i) => bar(i, lower(0), within(value), "fill"))),
      svg("g", { class: "before" }, plain.error.map((value, i) => svg("path", { d: `M${x(i + 0.05)} ${within(value)}H${x(i + 0.95)}`, class: "thin thick" }))),
      text(left - 6, lower(0) + 4, "0", "quiet small", "end"),
      text((left + right) / 2, 414, `Channels ${now.from} … ${now.from + group - 1}`, "quiet", "middle"),
    );
    return node;
  }

  function share(value) {
    return `${number(100 * value, 2)}\u00a0%`;
  }
});
