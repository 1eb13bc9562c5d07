// Some real weights before and after quantization, and what every type costs and loses.
import { curve, line, mount, number, plot, rect, svg, text, whole } from "../figure.js";

mount("row-quantization", (figure) => {
  const { model, types, rows } = figure.data;
  const shown = rows[0].values.length;
  figure.title("A row before and after", `The first ${shown} weights of a row of ${model}, by llama.cpp's own functions, without an importance matrix`);

  const controls = figure.controls();
  const chosen = figure.select(controls, {
    label: "Tensor",
    options: rows.map(({ tensor, row, shape }, value) => ({
      value,
      label: `${tensor}, row ${row} of ${whole(shape[0])}`,
    })),
  });
  const kind = figure.radios(controls, {
    label: "Type",
    options: types.map(({ name }, value) => ({ value, label: name })),
    value: types.findIndex(({ name }) => name === "Q4_0"),
  });
  const second = figure.controls();
  const place = figure.slider(second, { label: "Weight", min: 0, max: shown - 1, value: 5 });
  const axis = figure.radios(second, {
    label: "Axis of the errors",
    options: [
      { value: "common", label: "one for all types" },
      { value: "own", label: "fits this type" },
    ],
    value: "common",
  });
  const values = figure.picture();
  const errors = figure.picture();
  const ladder = figure.picture();

  figure.show(
    () => {
      const row = rows[chosen.value];
      const type = types[kind.value];
      const back = row.restored[kind.value];
      const off = back.values.map((value, i) => value - row.values[i]);
      values.replaceChildren(drawValues(row, back, type));
      errors.replaceChildren(drawErrors(row, off, type));
      ladder.replaceChildren(drawLadder(row));
      const i = place.value;
      const block = Math.floor(i / type.share_a_scale);
      const mine = off.slice(block * type.share_a_scale, (block + 1) * type.share_a_scale);
      const rms = Math.sqrt(mine.reduce((sum, value) => sum + value ** 2, 0) / mine.length);
      figure.say(
        `${type.name}, ${number(type.bits)} bits a weight: weight ${i} was ${number(row.values[i], 4)} and comes back as ${number(back.values[i], 4)}, off by ${number(off[i], 4)}. ` +
          `The ${type.share_a_scale} weights ${block * type.share_a_scale} … ${(block + 1) * type.share_a_scale - 1} share a scale and are off by ${number(rms, 4)} (RMS); ` +
          `over the whole tensor it is ${number(back.rmse, 4)}, ${number((100 * back.rmse) / row.std, 1)}\u00a0% of the weights' standard deviation.`,
      );
    },
    { lines: 4 },
  );

  /** Where the weights that share a scale begin. */
  function borders(frame, { share_a_scale }) {
    const starts = [];
    for (let at = share_a_scale; at < shown; at += share_a_scale) starts.push(at);
    return starts.map((at) => line(frame.x(at), frame.top, frame.x(at), frame.bottom, "trained"));
  }

  function ticksOf() {
    return Array.from({ length: shown / 16 + 1 }, (_, i) => 16 * i);
  }

  function drawValues(row, back, type) {
    const all = row.restored.flatMap((one) => one.values).concat(row.values);
    const [low, high] = [Math.min(...all), Math.max(...all)];
    const room = 0.05 * (high - low);
    const frame = plot({
      width: figure.width,
      height: 236,
      label: "Original and restored weights",
      x: { min: 0, max: shown, label: "", ticks: ticksOf() },
      y: { min: low - room, max: high + room, label: "Weight (dash: original, dot: restored)" },
      left: 56,
    });
    const wide = frame.x(1) - frame.x(0);
    const i = place.value;
    frame.node.append(
      rect(frame.x(i), frame.top, wide, frame.bottom - frame.top, "blank"),
      line(frame.left, frame.y(0), frame.right, frame.y(0), "zero"),
      ...borders(frame, type),
      ...row.values.map((value, at) => line(frame.x(at + 0.08), frame.y(value), frame.x(at + 0.92), frame.y(value), "now")),
      svg("g", { class: "c1" }, back.values.map((value, at) => svg("circle", { cx: frame.x(at + 0.5), cy: frame.y(value), r: Math.min(wide * 0.36, 3.5), class: "fill" }))),
      text((frame.left + frame.right) / 2, 230, `dashed: ${type.share_a_scale} weights share a scale`, "quiet", "middle"),
    );
    return frame.node;
  }

  function drawErrors(row, off, type) {
    const most = (one) => Math.max(...one.values.map((value, at) => Math.abs(value - row.values[at])));
    const limit = 1.08 * (axis.value === "own" ? most(row.restored[kind.value]) : Math.max(...row.restored.map(most)));
    const frame = plot({
      width: figure.width,
      height: 190,
      label: "Error of each weight",
      x: { min: 0, max: shown, label: "Weight in the row", ticks: ticksOf() },
      y: { min: -limit, max: limit, label: "Error: restored − original", format: (value) => number(value) },
      left: 56,
    });
    const i = place.value;
    frame.node.append(
      rect(frame.x(i), frame.top, frame.x(1) - frame.x(0), frame.bottom - frame.top, "blank"),
      ...borders(frame, type),
      svg("g", { class: "c2" }, off.map((value, at) => rect(frame.x(at + 0.15), frame.y(0), 0.7 * (frame.x(1) - frame.x(0)), frame.y(value) - frame.y(0), "fill"))),
      line(frame.left, frame.y(0), frame.right, frame.y(0), "zero"),
    );
    return frame.node;
  }

  /** Every type: bits a weight against the RMSE of the whole tensor. */
  function drawLadder(row) {
    const log = Math.log10;
    const shares = row.restored.map(({ rmse }) => (100 * rmse) / row.std);
    const frame = plot({
      width: figure.width,
      height: 260,
      label: "Error of the whole tensor against bits a weight",
      x: { min: 2, max: 9.5, label: "Bits a weight, scales included", ticks: [2, 3, 4, 5, 6, 7, 8, 9] },
      y: {
        min: log(0.4),
        max: log(50),
        label: figure.narrow ? "RMSE, % of the standard deviation (log)" : "RMSE, whole tensor, % of the standard deviation (log)",
        ticks: [0, 1, log(0.5), log(2), log(5), log(20), log(50)],
        format: (value) => `${number(Number((10 ** value).toPrecision(2)))}\u00a0%`,
      },
    });
    const points = types.map(({ bits }, i) => [frame.x(bits), frame.y(log(shares[i]))]);
    const steps = types.map((_, i) => i).filter((i) => types[i].name.endsWith("_K"));
    // From Q8_0 downwards, twice the error for each bit less.
    const [, start] = points[types.findIndex(({ name }) => name === "Q8_0")];
    const halves = [8.5, 2.5].map((bits) => [frame.x(bits), start - (frame.y(0) - frame.y(log(2))) * (8.5 - bits)]);
    frame.node.append(
      svg("g", { class: "c5" }, curve(halves, "thin dashed")),
      ...(figure.narrow ? ["dashed: each bit", "halves the error"] : ["dashed: each bit halves the error"]).map((words, i) =>
        text(frame.right - 4, frame.top + 16 + 15 * i, words, "quiet", "end"),
      ),
      ...types.map(({ name }, i) => {
        const now = i === Number(kind.value);
        const legacy = !steps.includes(i);
        const [cx, cy] = points[i];
        // Beside the point: above at its right, or below at its left, as there is room.
        const beside = legacy ? cx + 50 <= figure.width : cx - 50 < frame.left;
        const mark = legacy ? rect(cx - 4, cy - 4, 8, 8, now ? "fill" : "soft outlined") : svg("circle", { cx, cy, r: 4.75, class: now ? "fill" : "soft outlined" });
        return svg("g", { class: legacy ? "c3" : "c1" }, mark, now ? svg("circle", { cx, cy, r: 10, class: "chosen" }) : null, beside ? text(cx + 14, cy - 4, name, now ? "strong" : "quiet") : text(cx - 14, cy + (legacy ? 6 : 14), name, now ? "strong" : "quiet", "end"));
      }),
    );
    return frame.node;
  }
});
