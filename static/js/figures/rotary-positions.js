// RoPE on a real query and a real key: pairs turn, distances count, and slow pairs run out of what
// they have seen.
import { curve, drawing, line, mount, number, plot, rect, scale, stripes, svg, text, visible, whole } from "../figure.js";

const FAR = 64; // distances of the curve, in tokens
const TIMES = 4; // how many trained contexts the long view shows

mount("rotary-positions", (figure) => {
  const { model, base, n_ctx, frequencies, examples } = figure.data;
  const pairs = frequencies.length;
  figure.title(
    "Positions as rotations",
    `A real query and key of ${model}, ${2 * pairs} features in ${pairs} pairs; base ${whole(base)}`,
  );

  const first = figure.controls();
  const chosen = figure.select(first, {
    label: "Query and key",
    options: examples.map(({ layer, head, query_token, key_token }, index) => ({
      value: index,
      label: `layer ${layer}, head ${head}: “${visible(query_token)}” asks “${visible(key_token)}”`,
    })),
  });
  const pair = figure.slider(first, { label: "Pair", min: 0, max: pairs - 1, value: 0 });
  const second = figure.controls();
  const place = figure.slider(second, { label: "Position of the key", min: 0, max: 200, value: 3 });
  const distance = figure.slider(second, {
    label: "Distance to the query",
    min: 0,
    max: FAR,
    value: 1,
    format: (value) => `${value} ${value === 1 ? "token" : "tokens"}`,
  });
  const near = figure.picture("side-by-side");

  figure.heading(`How far each pair turns, up to ${TIMES} times the trained context of ${whole(n_ctx)} tokens`);
  const third = figure.controls();
  const far = figure.slider(third, {
    label: "Distance",
    min: 0,
    max: TIMES * n_ctx,
    step: 32,
    value: 1.5 * n_ctx,
    format: (value) => `${whole(value)} tokens`,
  });
  const stretch = figure.slider(third, {
    label: "Frequency scale",
    min: 0.25,
    max: 1,
    step: 0.05,
    value: 1,
    format: (value) => `× ${value.toFixed(2)}`,
  });
  const long = figure.picture();

  /** What pair i adds to the score when the query stands `by` tokens behind the key. */
  function part({ q, k }, i, by) {
    const angle = by * frequencies[i];
    const [a, b, c, d] = [q[2 * i], q[2 * i + 1], k[2 * i], k[2 * i + 1]];
    const dot = (a * c + b * d) * Math.cos(angle) + (a * d - b * c) * Math.sin(angle);
    return dot / Math.sqrt(2 * pairs);
  }

  const score = (example, by) =>
    frequencies.reduce((sum, _, i) => sum + part(example, i, by), 0);

  // The reader begins with the pair that matters most to the first score.
  const shares = frequencies.map((_, i) => part(examples[0], i, 1));
  pair.value = shares.indexOf(Math.max(...shares));

  figure.show(
    () => {
      const example = examples[chosen.value];
      const [i, key, by] = [pair.value, place.value, distance.value];
      near.replaceChildren(dial(example, i, key, by), scores(example, i, by));
      const pairScore = number(part(example, i, by), 2);
      const total = number(score(example, by), 2);
      const lost = frequencies.filter((frequency) => !seen(frequency, far.value, stretch.value));
      long.replaceChildren(turns(far.value, stretch.value));
      figure.say(
        `Pair ${i} turns by ${number(frequencies[i], frequencies[i] < 0.01 ? 5 : 3)} radians a token. At distance ${by} it adds ${pairScore} to the score, ` +
          `which is ${total}; where the key stands, here ${key}, makes no difference. ` +
          `At distance ${whole(far.value)} with scale ${stretch.value.toFixed(2)}, ` +
          `${lost.length ? `${lost.length} of ${pairs} pairs are` : "no pair is"} at an angle that training never showed ${lost.length > 1 ? "them" : "it"}` +
          `${stretch.value < 1 ? `; neighbours are only ${stretch.value.toFixed(2)} of a step apart` : ""}.`,
      );
    },
    { lines: 5 },
  );

  /** Training shows distances 0 … n_ctx - 1, and so the angles from 0 up to this one. */
  function reached(frequency) {
    return Math.min(frequency * (n_ctx - 1), 2 * Math.PI);
  }

  /** Whether training showed the angle: after a full circle a pair is back among what it knows. */
  function seen(frequency, at, factor) {
    return (at * factor * frequency) % (2 * Math.PI) <= reached(frequency);
  }

  /** The stretches [from, to] of distances at which a pair's angle is new. */
  function unseen(frequency, factor) {
    const speed = frequency * factor;
    const stretches = [];
    if (reached(frequency) >= 2 * Math.PI) return stretches;
    for (let turn = 0; turn * 2 * Math.PI < TIMES * n_ctx * speed; turn += 1) {
      const from = (turn * 2 * Math.PI + reached(frequency)) / speed;
      const to = ((turn + 1) * 2 * Math.PI) / speed;
      if (from < TIMES * n_ctx) stretches.push([from, Math.min(to, TIMES * n_ctx)]);
    }
    return stretches;
  }

  function dial({ q, k }, i, key, by) {
    const size = figure.narrow ? Math.min(figure.width, 280) : 250;
    const [radius, centre] = [size / 2 - 36, size / 2];
    const vector = (values, position) => {
      const [a, b] = [values[2 * i], values[2 * i + 1]];
      return [Math.hypot(a, b), Math.atan2(b, a) + position * frequencies[i]];
    };
    const arrows = [
      ["key", "c3", ...vector(k, key)],
      ["query", "c2", ...vector(q, key + by)],
    ];
    const longest = Math.max(...arrows.map(([, , length]) => length));
    // The two names stand apart even where the arrows lie on each other.
    const lead = Math.sin(arrows[1][3] - arrows[0][3]) < 0 ? -0.13 : 0.13;
    const circle = (r) => svg("circle", { cx: centre, cy: centre, r, class: "rule hollow" });
    return drawing(
      size,
      size,
      `Pair ${i} of query and key, turned to their positions`,
      circle(radius),
      line(centre - radius, centre, centre + radius, centre, "rule"),
      line(centre, centre - radius, centre, centre + radius, "rule"),
      text(0, 12, `Pair ${i}: features ${2 * i} and ${2 * i + 1}`, "quiet"),
      arrows.map(([name, colour, length, angle]) => {
        const r = radius * (length / longest);
        const [x, y] = [centre + r * Math.cos(angle), centre - r * Math.sin(angle)];
        const aside = angle + (name === "query" ? lead : -lead);
        const away = [centre + (r + 14) * Math.cos(aside), centre - (r + 14) * Math.sin(aside)];
        return svg(
          "g",
          { class: colour },
          line(centre, centre, x, y, name === "key" ? "dashed thick" : "line"),
          svg("circle", { cx: x, cy: y, r: 4.5, class: "fill" }),
          text(away[0], away[1] + 4, name === "key" ? "k" : "q", "strong in-colour", "middle"),
        );
      }),
      text(0, size - 4, `q at ${key + by}, k at ${key}`, "quiet"),
    );
  }

  function scores(example, i, by) {
    const width = figure.narrow ? figure.width : figure.width - 250 - 20;
    const at = Array.from({ length: FAR + 1 }, (_, index) => index);
    const sums = at.map((value) => score(example, value));
    const [low, high] = [Math.min(0, ...sums), Math.max(0, ...sums)];
    const room = (high - low) * 0.08;
    const frame = plot({
      width,
      height: 250,
      label: "Score against distance",
      x: { min: 0, max: FAR, label: "Distance, tokens" },
      y: { min: low - room, max: high + room, label: "Score q·k / √d: all pairs, and this one (dashed)" },
      left: 40,
    });
    const points = (value) => at.map((index) => [frame.x(index), frame.y(value(index))]);
    frame.node.append(
      line(frame.x(by), frame.top, frame.x(by), frame.bottom, "zero"),
      svg("g", { class: "c2" }, curve(points((index) => part(example, i, index)), "dashed")),
      svg("g", { class: "c1" }, curve(points((index) => sums[index]), "line")),
      svg("circle", { cx: frame.x(by), cy: frame.y(part(example, i, by)), r: 4, class: "c2 fill" }),
      svg("circle", { cx: frame.x(by), cy: frame.y(sums[by]), r: 5, class: "c1 fill" }),
    );
    return frame.node;
  }

  function turns(at, factor) {
    const [top, each, left] = [44, 23, 62];
    const right = figure.width - (figure.narrow ? 60 : 74);
    const bottom = top + pairs * each;
    const x = scale([0, TIMES * n_ctx], [left, right]);
    const node = drawing(
      figure.width,
      bottom + 40,
      "Each pair's angle over distance",
      stripes("never-seen", "c2 fill"),
    );
    node.append(
      text(0, 12, "Pair", "quiet"),
      text(left, 12, "Angles seen in training", "quiet"),
      text(figure.width, 12, "Turns", "quiet", "end"),
    );
    const key = figure.narrow ? [left, 18] : [left + 170, 2];
    node.append(hatched(key[0], key[1], 22), text(key[0] + 28, key[1] + 11, "never seen", "quiet"));
    frequencies.forEach((frequency, i) => {
      const y = top + (i + 0.5) * each;
      const angle = at * factor * frequency;
      const known = seen(frequency, at, factor);
      const gaps = unseen(frequency, factor);
      const starts = [0, ...gaps.map(([, to]) => to)];
      const ends = [...gaps.map(([from]) => from), TIMES * n_ctx];
      node.append(
        text(22, y + 4, String(i), "quiet", "end"),
        svg("g", {}, clock(42, y, 9, reached(frequency), angle, known)),
        ...starts.map((from, index) => rect(x(from), y - 6, x(ends[index]) - x(from), 12, "c1 soft")),
        ...gaps.map(([from, to]) => hatched(x(from), y - 6, x(to) - x(from))),
        text(figure.width, y + 4, (angle / (2 * Math.PI)).toFixed(angle < 628 ? 2 : 0), known ? "" : "strong c2 in-colour", "end"),
      );
    });
    for (let times = 0; times <= TIMES; times += 1) {
      node.append(
        line(x(times * n_ctx), top - 4, x(times * n_ctx), bottom, times === 1 ? "trained" : "rule"),
        figure.narrow && times % 2 ? null : text(x(times * n_ctx), bottom + 16, whole(times * n_ctx), "quiet", "middle"),
      );
    }
    node.append(
      line(x(at), top - 8, x(at), bottom, "now"),
      text((left + right) / 2, bottom + 34, "Distance, tokens (dashed: trained context)", "quiet", "middle"),
    );
    return node;
  }

  /** A bar of angles that training never showed: striped. */
  function hatched(x, y, width) {
    const bar = rect(x, y, width, 12, "hatched");
    bar.setAttribute("fill", "url(#never-seen)");
    return bar;
  }

  /** A small dial: the arc that training showed, and where the hand is now. */
  function clock(cx, cy, r, arcEnd, angle, known) {
    const at = (a, length = r) => `${(cx + length * Math.cos(a)).toFixed(2)} ${(cy - length * Math.sin(a)).toFixed(2)}`;
    const arc =
      arcEnd >= 2 * Math.PI
        ? svg("circle", { cx, cy, r, class: "c1 soft" })
        : svg("path", {
            d: `M${cx} ${cy}L${at(0)}A${r} ${r} 0 ${arcEnd > Math.PI ? 1 : 0} 0 ${at(arcEnd)}Z`,
            class: "c1 soft",
          });
    return [
      arc,
      svg("circle", { cx, cy, r, class: "frame" }),
      svg("path", { d: `M${cx} ${cy}L${at(angle)}`, class: known ? "c1 line" : "c2 line" }),
    ];
  }
});
