// One block's attention as shapes: every rectangle is drawn to the same scale.
import { bytes, drawing, mount, rect, svg, table, text, whole } from "../figure.js";

const BYTES = 4; // of an F32 number

mount("head-shapes", (figure) => {
  const { model, n_embd: d, n_head, n_head_kv, head_dim, weights } = figure.data;
  const group = n_head / n_head_kv;
  figure.title(
    "The shapes on the way through one attention layer",
    `The real shapes of ${model}: rectangles to scale, rows × columns`,
  );
  const step = figure.stepper(figure.controls(), { count: 8 });
  const row = figure.controls();
  const tokens = figure.slider(row, { label: "Tokens, n", min: 1, max: d, value: 128 });
  const head = figure.radios(row, {
    label: "Query head",
    value: 5,
    options: Array.from({ length: n_head }, (_, number) => number),
  });
  const picture = figure.picture();
  const costs = figure.picture();

  /** What is multiplied, what comes out, and the words for it; `kv` is the head that `h` reads. */
  function steps(n, h, kv) {
    const matrix = (name, letter) => {
      const { inputs, outputs } = weights[name];
      return { name: letter, rows: inputs, cols: outputs, colour: "c5" };
    };
    const x = { name: "x", rows: n, cols: d, colour: "c1" };
    const normed = { name: "x̂", rows: n, cols: d, colour: "c1" };
    const q = { name: "Q", rows: n, cols: d, colour: "c2", parts: n_head, part: h };
    const k = { name: "K", rows: n, cols: n_head_kv * head_dim, colour: "c3", parts: n_head_kv, part: kv };
    const v = { ...k, name: "V", colour: "c4" };
    const qOne = { name: `Q${sub(h)}`, rows: n, cols: head_dim, colour: "c2" };
    const kOne = { name: `K${sub(kv)}ᵀ`, rows: head_dim, cols: n, colour: "c3" };
    const vOne = { name: `V${sub(kv)}`, rows: n, cols: head_dim, colour: "c4" };
    const scores = { name: `S${sub(h)}`, rows: n, cols: n, colour: "c1", sheets: n_head };
    const out = { name: `O${sub(h)}`, rows: n, cols: head_dim, colour: "c2", sheets: n_head };
    const all = { name: "O", rows: n, cols: d, colour: "c2", parts: n_head, part: h };
    const layer = (name) => weights[name].inputs * weights[name].outputs;
    return [
      {
        shapes: [x, "→", normed],
        made: n * d,
        read: d,
        words: `RMSNorm keeps the shape: ${n} ${n === 1 ? "token" : "tokens"} of ${d} features each.`,
      },
      {
        shapes: [normed, "·", matrix("attn_q", "Wqᵀ"), "=", q],
        products: n * layer("attn_q"),
        made: n * d,
        read: layer("attn_q"),
        words: `The queries, ${d} features, are cut into ${n_head} heads of ${head_dim}; head ${h} is the dark one.`,
      },
      {
        shapes: [normed, "·", matrix("attn_k", "Wkᵀ"), "=", k],
        products: n * layer("attn_k"),
        made: n * n_head_kv * head_dim,
        read: layer("attn_k"),
        words: `There are only ${n_head_kv} key heads of ${head_dim}: grouped-query attention. Query head ${h} reads key head ${kv}, as do ${group - 1} others.`,
      },
      {
        shapes: [normed, "·", matrix("attn_v", "Wvᵀ"), "=", v],
        products: n * layer("attn_v"),
        made: n * n_head_kv * head_dim,
        read: layer("attn_v"),
        words: `The values have the keys' shape. K and V, ${n} × ${n_head_kv * head_dim} each, are what the KV cache keeps.`,
      },
      {
        shapes: [qOne, "·", kOne, "=", scores],
        products: n_head * n * n * head_dim,
        made: n_head * n * n,
        words: `Query head ${h} meets key head ${kv}: one score for each of ${n} × ${n} pairs, and as many in each of ${n_head} heads. It grows with n².`,
      },
      {
        shapes: [{ ...scores, name: `softmax S${sub(h)}` }, "·", vOne, "=", out],
        products: n_head * n * n * head_dim,
        made: n_head * n * head_dim,
        words: `Each token's weights mix the ${n} values of head ${kv}: ${n} × ${n} shrinks back to ${n} × ${head_dim}.`,
      },
      {
        shapes: [out, "→", all],
        made: n * d,
        words: `The ${n_head} heads' outputs side by side are ${n_head} × ${head_dim} = ${d} features again. Nothing is computed.`,
      },
      {
        shapes: [all, "·", matrix("attn_output", "Woᵀ"), "=", { ...x, name: "added to x" }],
        products: n * layer("attn_output"),
        made: n * d,
        read: layer("attn_output"),
        words: `The output layer mixes the heads, and the sum goes back to x: ${n} × ${d}, as it came.`,
      },
    ];
  }

  figure.show(() => {
    const [n, h] = [tokens.value, Number(head.value)];
    const now = steps(n, h, Math.floor(h / group))[step.value];
    picture.replaceChildren(draw(now.shapes, now.words));
    costs.replaceChildren(
      table(
        ["All heads together", "numbers", "as F32"],
        [
          ["Matrix multiply-adds", now.products ? whole(now.products) : "–", ""],
          ["Weights it reads", now.read ? whole(now.read) : "–", now.read ? bytes(now.read * BYTES) : "–"],
          ["Numbers it makes", whole(now.made), bytes(now.made * BYTES)],
        ],
      ),
    );
    figure.say(`Step ${step.value + 1} of 8. ${now.words}`);
  });

  /** Three full matrices must fit beside each other; everything is drawn at that scale. */
  function draw(shapes, label) {
    const [sheet, sign, top] = [figure.narrow ? 2 : 4, figure.narrow ? 18 : 30, 34];
    const unit = (figure.width - 2 * sign - n_head * sheet - 4) / (3 * d);
    const [height, middle] = [d * unit + top + 52, top + (d * unit) / 2];
    const tallest = Math.max(...shapes.map(({ rows = 0 }) => rows * unit));
    const node = drawing(
      figure.width,
      height,
      label,
      svg("path", { class: "zero hollow", d: `M0.5 4v8m0-4h${(d * unit).toFixed(1)}m0-4v8` }),
      text(d * unit + 8, 12, `${d}, the width of the hidden state`, "quiet"),
    );
    const least = figure.narrow ? 56 : 72;
    const wide = (shape) =>
      typeof shape === "string"
        ? sign
        : Math.max(shape.cols * unit + 2 * sheet * ((shape.sheets ?? 1) - 1), least);
    let x = Math.max((figure.width - shapes.reduce((sum, shape) => sum + wide(shape), 0)) / 2, 0);
    for (const shape of shapes) {
      const centre = x + wide(shape) / 2;
      node.append(
        typeof shape === "string"
          ? text(centre, middle + 5, shape, "sign", "middle")
          : one(shape, centre, middle, unit, sheet, middle + tallest / 2),
      );
      x += wide(shape);
    }
    return node;
  }

  function one({ name, rows, cols, colour, parts, part, sheets }, centre, middle, unit, sheet, bottom) {
    const [w, h] = [Math.max(cols * unit, 2), Math.max(rows * unit, 2)];
    const [left, top] = [centre - w / 2, middle - h / 2];
    const group = svg("g", { class: colour });
    for (let behind = (sheets ?? 1) - 1; behind > 0; behind -= 1) {
      const by = behind * sheet;
      group.append(rect(left + by, top - by, w, h, "soft outlined"));
    }
    group.append(rect(left, top, w, h, "soft outlined"));
    for (let index = 0; index < (parts ?? 0); index += 1) {
      const width = w / parts;
      group.append(rect(left + index * width, top, width, h, index === part ? "fill outlined" : "outline"));
    }
    group.append(
      text(centre, bottom + 22, name, "strong", "middle"),
      text(centre, bottom + 40, `${rows} × ${cols}`, "quiet", "middle"),
    );
    return group;
  }
});

const sub = (number) => String.fromCodePoint(0x2080 + number);
