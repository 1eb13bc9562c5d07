// Exact attention, tile by tile: what is kept is a maximum, a sum and an accumulator a row.
import { bytes, curve, drawing, html, line, mount, number, plot, rect, svg, table, text, visible, whole } from "../figure.js";

const TILE = 4; // the toy tile of the picture: 4 queries by 4 keys
const REAL_TILE = 64; // queries and keys of a tile as a GPU takes them
const BYTES = 4; // of an F32 number

mount("flash-tiles", (figure) => {
  const { model, layer, head, n_head, head_dim, tokens, scores, values } = figure.data;
  const n = tokens.length;
  const shown = values[0].map((_, feature) => feature);
  figure.title(
    "Attention without the whole matrix",
    `Real scores of ${model}, layer ${layer}, head ${head}; tiles of ${TILE} × ${TILE} for the eye, ${shown.length} of ${head_dim} value features`,
  );

  // The tiles in the order in which they are visited: those above the diagonal never are.
  const tiles = [];
  for (let block = 0; block < n / TILE; block += 1) {
    for (let column = 0; column <= block; column += 1) tiles.push([block, column]);
  }
  const step = figure.stepper(figure.controls(), { label: "Tile", count: tiles.length });
  const pictures = figure.picture("side-by-side");
  const kept = figure.picture();

  figure.heading("Memory for n tokens");
  const power = figure.slider(figure.controls(), {
    label: "Tokens, n",
    min: 8,
    max: 17,
    step: 0.5,
    value: 13,
    format: (value) => whole(count(value)),
  });
  const memory = figure.picture();

  /** One query row after the tiles up to `column`, as the algorithm keeps it. */
  function rowAfter(query, column) {
    let [m, l, factor] = [-Infinity, 0, 0];
    let sum = shown.map(() => 0);
    let powers = [];
    for (let tile = 0; tile <= column; tile += 1) {
      const keys = scores[query].slice(tile * TILE, (tile + 1) * TILE);
      const highest = Math.max(m, ...keys);
      factor = Math.exp(m - highest); // 0 in the first tile: there was nothing before it
      powers = keys.map((score) => Math.exp(score - highest));
      l = l * factor + powers.reduce((a, b) => a + b, 0);
      sum = sum.map(
        (old, feature) =>
          old * factor + powers.reduce((a, p, i) => a + p * values[tile * TILE + i][feature], 0),
      );
      m = highest;
    }
    return { m, l, factor, sum, powers };
  }

  /** The same row by the ordinary softmax, all its scores at once. */
  function ordinary(query) {
    const most = Math.max(...scores[query]);
    const powers = scores[query].map((score) => Math.exp(score - most));
    const total = powers.reduce((a, b) => a + b, 0);
    return shown.map((feature) => powers.reduce((a, p, key) => a + (p / total) * values[key][feature], 0));
  }

  figure.show(
    () => {
      const [block, column] = tiles[step.value];
      const queries = Array.from({ length: TILE }, (_, i) => block * TILE + i);
      const rows = queries.map((query) => ({ query, ...rowAfter(query, column) }));
      const last = column === block;
      pictures.replaceChildren(matrix(step.value, block, column), inTile(rows, column));
      kept.replaceChildren(
        table(
          ["Kept a row", "max m", "rescale", "sum l", ...shown.map((feature) => `acc ${feature}`), "acc 0 ÷ l"],
          rows.map(({ query, m, l, factor, sum }) => [
            `${query} ${visible(tokens[query])}`,
            number(m, 2),
            column ? `× ${number(factor, 3)}` : "–",
            number(l, 3),
            ...sum.map((value) => number(value, 3)),
            last ? number(sum[0] / l, 3) : "–",
          ]),
          { className: "kept" },
        ),
      );
      const gap = Math.max(
        ...rows.flatMap(({ query, l, sum }) => ordinary(query).map((value, i) => Math.abs(value - sum[i] / l))),
      );
      const grown = rows.filter(({ factor }) => column && factor < 1);
      const place = `Tile ${step.value + 1}: queries ${queries[0]}–${queries.at(-1)}, keys ${column * TILE}–${column * TILE + TILE - 1}.`;
      const news = !column
        ? "The first tile of these rows: nothing to rescale."
        : grown.length
          ? `${grown.length === 1 ? "One row meets" : `${grown.length} rows meet`} a larger score: what was summed so far is multiplied by e^(old m − new m).`
          : "No row meets a larger score, so every rescale factor is 1.";
      const end = last
        ? `These rows are done: divided by l they differ from the ordinary softmax by ${gap < 1e-12 ? "less than 10⁻¹²" : gap.toExponential(1)}.`
        : "More keys follow.";
      const size = count(power.value);
      memory.replaceChildren(drawMemory(size), formula(size));
      figure.say(
        `${place} ${news} ${end} For ${whole(size)} tokens the scores of one head take ${bytes(size ** 2 * BYTES)}, a tile ${bytes(tileBytes())}.`,
      );
    },
    { lines: 5 },
  );

  function matrix(at, block, column) {
    const [left, top] = [64, 40];
    const width = figure.narrow ? figure.width : Math.min(figure.width - 336, 320);
    const size = (width - left - 2) / n;
    const node = drawing(width, top + n * size + 2, `Scores of ${n} by ${n} tokens in tiles`);
    node.append(
      text(left, 14, "Keys →", "quiet"),
      text(0, 14, "Queries ↓", "quiet"),
      ...tokens.map((piece, i) =>
        text(left - 6, top + (i + 0.5) * size + 4, visible(piece), Math.floor(i / TILE) === block ? "strong small" : "quiet small", "end"),
      ),
      ...tokens.map((_, i) => (i % 2 ? "" : text(left + (i + 0.5) * size, top - 6, String(i), "quiet small", "middle"))).filter(Boolean),
    );
    tiles.forEach(([b, c], index) => {
      for (let i = b * TILE; i < (b + 1) * TILE; i += 1) {
        for (let j = c * TILE; j < (c + 1) * TILE && j <= i; j += 1) {
          const kind = index < at ? "c1 soft" : index === at ? "c2 fill" : "blank";
          node.append(rect(left + j * size + 0.5, top + i * size + 0.5, size - 1, size - 1, kind));
        }
      }
    });
    for (let i = 0; i < n / TILE; i += 1) {
      for (let j = 0; j < n / TILE; j += 1) {
        const frame = rect(left + j * TILE * size, top + i * TILE * size, TILE * size, TILE * size, j > i ? "never" : "frame");
        node.append(frame);
      }
    }
    node.append(
      rect(left + column * TILE * size, top + block * TILE * size, TILE * size, TILE * size, "chosen"),
      text(left + n * size - 4, top + 2 * TILE * size - 8, "future: skipped", "quiet small", "end"),
    );
    return node;
  }

  /** The scores of the tile, and what softmax makes of them with the maximum so far. */
  function inTile(rows, column) {
    const cell = (query, i, words) => (column * TILE + i <= query ? words : "·");
    const keys = Array.from({ length: TILE }, (_, i) => i);
    const names = keys.map((i) => `key ${column * TILE + i}`);
    return html(
      "div",
      { class: "tables" },
      table(
        ["Score", ...names],
        rows.map(({ query }) => [
          `${query} ${visible(tokens[query])}`,
          ...keys.map((i) => cell(query, i, number(scores[query][column * TILE + i] ?? 0, 2))),
        ]),
        { className: "tile" },
      ),
      table(
        ["e^(s − m)", ...names],
        rows.map(({ query, powers }) => [
          `${query} ${visible(tokens[query])}`,
          ...keys.map((i) => cell(query, i, number(powers[i] ?? 0, 3))),
        ]),
        { className: "tile" },
      ),
    );
  }

  function tileBytes() {
    return (REAL_TILE ** 2 + REAL_TILE * head_dim + 2 * REAL_TILE) * BYTES;
  }

  function formula(size) {
    const mib = (value) => `${value < 2 ** 20 ? (value / 2 ** 20).toFixed(3) : whole(value / 2 ** 20)} MiB`;
    const matrixBytes = size ** 2 * BYTES;
    return table(
      ["What has to be held", "formula", "MiB"],
      [
        ["Scores, one head", `${whole(size)}² × ${BYTES} B`, mib(matrixBytes)],
        [`Scores, ${n_head} heads of a layer`, `× ${n_head}`, mib(matrixBytes * n_head)],
        [
          `One tile, ${REAL_TILE} × ${REAL_TILE}`,
          `(${REAL_TILE}² + ${REAL_TILE} × ${head_dim} + 2 × ${REAL_TILE}) × ${BYTES} B`,
          mib(tileBytes()),
        ],
      ],
      { className: "memory" },
    );
  }

  function drawMemory(size) {
    const log = Math.log2;
    const frame = plot({
      width: figure.width,
      height: 230,
      label: "Memory against the number of tokens",
      x: {
        min: 8,
        max: 17,
        label: "Tokens, n (each step doubles)",
        ticks: figure.narrow ? [8, 11, 14, 17] : [8, 9, 10, 11, 12, 13, 14, 15, 16, 17],
        format: (value) => whole(2 ** value),
      },
      y: { min: 10, max: 37, label: "Memory, one head", ticks: [10, 20, 30], format: (value) => `1 ${{ 10: "KiB", 20: "MiB", 30: "GiB" }[value]}` },
      left: 44,
      margin: 26,
    });
    const at = log(size);
    const square = (value) => frame.y(2 * value + log(BYTES));
    const flat = frame.y(log(tileBytes()));
    frame.node.append(
      line(frame.x(at), frame.top, frame.x(at), frame.bottom, "zero"),
      svg("g", { class: "c1" }, curve([[frame.left, square(8)], [frame.right, square(17)]], "line")),
      svg("g", { class: "c2" }, curve([[frame.left, flat], [frame.right, flat]], "dashed thick")),
      svg("circle", { cx: frame.x(at), cy: square(at), r: 5, class: "c1 fill" }),
      svg("circle", { cx: frame.x(at), cy: flat, r: 5, class: "c2 fill" }),
      text(frame.x(15), square(15) - 12, "all scores, n²", "c1 in-colour strong", "end"),
      text(frame.right, flat - 8, "one tile", "c2 in-colour strong", "end"),
    );
    return frame.node;
  }

  function count(exponent) {
    return Math.round(2 ** exponent / 64) * 64;
  }
});
