// Which query heads share which key and value heads, and what their cache takes.
import { bytes, drawing, line, mount, rect, scale, svg, table, text, whole } from "../figure.js";

const MEMORY = [1, 8, 24, 80]; // GiB

mount("kv-heads", (figure) => {
  const { shapes, types, context_step } = figure.data;
  figure.title("Heads that share, and their cache", "Shapes of real models; the cache counted as llama.cpp allocates it");

  const first = figure.controls();
  const chosen = figure.select(first, {
    label: "Model",
    options: shapes.map(({ name }, value) => ({ value, label: name })),
  });
  const power = figure.slider(first, {
    label: "Key and value heads",
    min: 0,
    max: 3,
    value: 1,
    format: (value) => whole(2 ** value),
  });
  const head = figure.slider(first, { label: "Follow query head", min: 0, max: 7, value: 5 });
  const wiring = figure.picture();
  const second = figure.controls();
  const context = figure.slider(second, {
    label: "Context asked for",
    min: 8,
    max: 17,
    step: 0.25,
    value: 10,
    format: (value) => `${whole(2 ** value)} tokens`,
  });
  const kind = figure.select(second, {
    label: "Cache type",
    options: types.map(({ name }, value) => ({ value, label: name })),
    value: 1,
  });
  const memory = figure.select(second, {
    label: "Memory for caches",
    options: MEMORY.map((value) => ({ value, label: `${value} GiB` })),
    value: 8,
  });
  const bars = figure.picture();
  const counted = figure.picture();
  let shape = null;

  figure.show(
    () => {
      if (shape !== shapes[chosen.value]) choose(shapes[chosen.value]);
      const shared = 2 ** power.value;
      const asked = Math.round(2 ** context.value);
      const padded = Math.ceil(asked / context_step) * context_step;
      const { block, block_bytes, name } = types[kind.value];
      const perToken = (heads) => (2 * shape.n_layer * heads * shape.head_dim * block_bytes) / block;
      const room = memory.value * 2 ** 30;
      const fit = Math.floor(room / (padded * perToken(shared)));
      wiring.replaceChildren(drawWiring(shared));
      bars.replaceChildren(drawBars(shared, (heads) => padded * perToken(heads)));
      const each = block === 1 ? `${block_bytes}` : `${block_bytes}/${block}`;
      counted.replaceChildren(
        table(
          figure.narrow ? ["", "result"] : ["", "formula", "result"],
          [
            ["A token, all layers", `2 × ${shape.n_layer} layers × ${shared} heads × ${shape.head_dim} × ${each} B`, `${whole(perToken(shared))} B`],
            ["Context, allocated", `${whole(asked)} up to a multiple of ${context_step}`, whole(padded)],
            ["One conversation", `${whole(padded)} × ${whole(perToken(shared))} B`, bytes(padded * perToken(shared))],
            [`Fit in ${memory.value} GiB`, "rounded down, weights not counted", whole(fit)],
          ].map(([head, formula, result]) => (figure.narrow ? [head, result] : [head, formula, result])),
          { className: "fixed" },
        ),
      );
      const own = shared === shape.n_head_kv;
      const way = shared === shape.n_head ? "multi-head attention" : shared === 1 ? "multi-query attention" : "grouped-query attention";
      const key = reads(head.value, shared);
      figure.say(
        `${shape.name} with ${shared} key and value ${shared === 1 ? "head" : "heads"} (${own ? shape.source : `a change: it has ${shape.n_head_kv}`}): ${way}. ` +
          `Query head ${head.value} reads key head ${key}, with ${shape.n_head / shared === 1 ? "no other" : `${shape.n_head / shared - 1} ${shape.n_head / shared === 2 ? "other" : "others"}`}. ` +
          `At ${whole(padded)} tokens in ${name} the cache takes ${bytes(padded * perToken(shared))}, and ${whole(fit)} ${fit === 1 ? "conversation fits" : "conversations fit"} into ${memory.value} GiB.`,
      );
    },
    { lines: 4 },
  );

  /** The controls follow the model that was chosen. */
  function choose(next) {
    shape = next;
    power.input.max = Math.log2(shape.n_head);
    power.value = Math.log2(shape.n_head_kv);
    head.input.max = shape.n_head - 1;
    head.value = Math.min(head.value, shape.n_head - 1);
    context.value = Math.log2(shape.n_ctx);
  }

  function reads(query, shared) {
    return Math.floor((query * shared) / shape.n_head);
  }

  function drawWiring(shared) {
    const { n_head } = shape;
    const [top, bottom, tall] = [42, 136, 24];
    const x = scale([0, n_head], [0, figure.width]);
    const size = Math.min(x(1) - x(0) - (figure.width < 520 ? 1 : 2.5), 34);
    const centre = (query) => x(query + 0.5);
    const each = n_head / shared;
    const keyAt = (key) => centre(key * each + (each - 1) / 2);
    const mine = reads(head.value, shared);
    const node = drawing(figure.width, bottom + tall + 28, `${n_head} query heads and the ${shared} key and value heads they read`);
    const box = (cx, y, width, kind, words, label) => [
      rect(cx - width / 2, y, width, tall, kind),
      width > 17 && text(cx, y + tall / 2 + 4, words, label, "middle"),
    ].filter(Boolean);
    const queries = Array.from({ length: n_head }, (_, query) => query);
    const keys = Array.from({ length: shared }, (_, key) => key);
    // The followed head last, so that it lies on top.
    const drawn = [...queries].sort((a, b) => (a === head.value) - (b === head.value));
    node.append(
      text(0, 14, `${n_head} query heads`),
      text(figure.width, 14, `following head ${head.value}`, "c2 in-colour strong", "end"),
      ...drawn.map((query) => {
        const followed = query === head.value;
        const kin = reads(query, shared) === mine;
        return svg(
          "g",
          { class: followed ? "c2" : kin ? "c1" : "c5" },
          line(centre(query), top + tall, keyAt(reads(query, shared)), bottom, followed ? "line" : kin ? "thin" : "thin faint"),
        );
      }),
      ...queries.flatMap((query) => {
        const followed = query === head.value;
        const kin = reads(query, shared) === mine;
        return svg("g", { class: followed ? "c2" : kin ? "c1" : "c5" }, box(centre(query), top, size, followed ? "fill" : kin ? "soft outlined" : "soft", String(query), followed ? "inverse small" : "small"));
      }),
      ...keys.flatMap((key) => svg("g", { class: key === mine ? "c1" : "c5" }, box(keyAt(key), bottom, Math.min(Math.max(size, 10), x(each) - 1), key === mine ? "fill" : "soft", String(key), key === mine ? "inverse small" : "small"))),
      text(0, bottom + tall + 20, `${shared} key and value ${shared === 1 ? "head" : "heads"}: all that the cache holds`),
    );
    return node;
  }

  function drawBars(shared, size) {
    const options = [
      ["one for each (MHA)", shape.n_head],
      ["as chosen", shared],
      ["one for all (MQA)", 1],
    ];
    const [left, each] = [figure.narrow ? 0 : 196, figure.narrow ? 44 : 32];
    const x = scale([0, size(shape.n_head)], [left, figure.width - 92]);
    const node = drawing(figure.width, 22 + 3 * each, "Bytes of the cache for one conversation");
    node.append(text(0, 12, "Cache of one conversation", "quiet"));
    options.forEach(([name, heads], i) => {
      const y = 22 + i * each + (figure.narrow ? 18 : 4);
      const end = Math.max(x(size(heads)), left + 1.5);
      node.append(
        text(0, figure.narrow ? y - 4 : y + 15, `${heads} ${heads === 1 ? "head" : "heads"}, ${name}`, i === 1 ? "strong" : ""),
        svg("g", { class: "c1" }, rect(left, y, end - left, 20, i === 1 ? "fill" : "soft outlined")),
        text(end + 8, y + 15, bytes(size(heads)), i === 1 ? "strong" : ""),
      );
    });
    return node;
  }
});
