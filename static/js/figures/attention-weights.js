// Every head of every layer on one sentence: whom does a token attend to, and how much?
import { drawing, line, mount, percent, rect, svg, text, visible } from "../figure.js";

// Weights below this are not drawn in the small pictures: a shade that no eye sees.
const FAINT = 0.02;

/** Softmax gives nobody nothing and, but for token 0, nobody all, whatever three digits say. */
const share = (weight) => percent(Math.min(Math.max(weight, 0.001), 0.999));

/** A head's causal matrix: a row a token, a column a token it looks at; the darker, the more. */
function matrix(rows, size, from = 0) {
  return rows.map((row, query) =>
    row.map((weight, key) => {
      if (weight < from) return null;
      const cell = rect(key * size, query * size, size, size, "fill c1");
      cell.setAttribute("fill-opacity", weight);
      return cell;
    }),
  );
}

mount("attention-weights", (figure) => {
  const { tokens, weights, model, heads_per_kv_head } = figure.data;
  const n = tokens.length;
  const layers = weights.map((_, layer) => layer);
  const heads = weights[0].map((_, head) => head);
  figure.title(
    "Whom each token attends to",
    `Computed by ${model}, all ${layers.length} layers × ${heads.length} heads, on its own tokens`,
  );

  // One radio button a head; the arrow keys go through all of them.
  const picker = figure.controls();
  const head = figure.radios(picker, {
    label: `Head: one row a layer, 0 to ${layers.length - 1} from the top`,
    className: "heads",
    value: "1-6",
    options: layers.flatMap((layer) =>
      heads.map((number) => ({
        value: `${layer}-${number}`,
        name: `Layer ${layer}, head ${number}`,
        label: svg(
          "svg",
          { viewBox: `0 0 ${n} ${n}`, "aria-hidden": "true" },
          matrix(weights[layer][number], 1, FAINT),
        ),
      })),
    ),
  });

  const token = figure.radios(figure.controls(), {
    label: "Token that looks back",
    className: "sentence",
    value: n - 1,
    options: tokens.map((piece, index) => ({
      value: index,
      label: visible(piece),
      name: `Token ${index}, ${piece}`,
    })),
  });

  const pictures = figure.picture("side-by-side");
  figure.show(() => {
    const [layer, number] = head.value.split("-").map(Number);
    const query = Number(token.value);
    const rows = weights[layer][number];
    const half = figure.narrow ? figure.width : Math.floor((figure.width - 20) / 2);
    pictures.replaceChildren(
      whole(rows, query, half, (choice) => {
        token.value = choice;
        figure.refresh();
      }),
      bars(rows[query], query, half),
    );
    const most = rows[query].indexOf(Math.max(...rows[query]));
    const name = (index) => `${index} ‘${tokens[index]}’`;
    const itself = most === query ? "itself" : `token ${name(most)}`;
    figure.say(
      `Layer ${layer}, head ${number}, which reads key/value head ${Math.floor(number / heads_per_kv_head)}. Token ${name(query)} gives ${query ? share(rows[query][most]) : percent(1)} of its attention to ${itself}` +
        `${most ? `, and ${share(rows[query][0])} to the first token, ${tokens[0]}` : ""}. ` +
        `It can see ${query + 1} of ${n} tokens; the shares add up to 100 %.`,
    );
  }, { lines: 4 });

  function whole(rows, query, width, choose) {
    const [left, top] = [64, 40];
    const size = (width - left - 2) / n;
    const height = top + size * n + 2;
    const cells = svg("g", { transform: `translate(${left} ${top})` }, matrix(rows, size));
    const chosen = rect(left, top + query * size, (query + 1) * size, size, "chosen");
    const node = drawing(
      width,
      height,
      `All attention weights of this head, ${n} by ${n} tokens`,
      svg("path", {
        class: "blank",
        d: `M${left} ${top}${rows.map((_, i) => `H${left + (i + 1) * size}V${top + (i + 1) * size}`).join("")}H${left}Z`,
      }),
      cells,
      chosen,
      text(left, 14, "Tokens looked at (keys) →", "quiet"),
      text(0, 14, "Queries ↓", "quiet"),
      tokens.map((piece, i) => [
        text(left - 6, top + (i + 0.5) * size + 4, visible(piece), i === query ? "strong small" : "quiet small", "end"),
        i % 2 && size < 16 ? null : text(left + (i + 0.5) * size, top - 6, String(i), "quiet small", "middle"),
      ]),
    );
    // For the mouse; the keyboard chooses above.
    node.classList.add("pressable");
    node.addEventListener("click", ({ offsetY }) => {
      choose(Math.min(Math.max(Math.floor((offsetY - top) / size), 0), n - 1));
    });
    return node;
  }

  function bars(row, query, width) {
    const [left, right, top] = [82, 46, 40];
    // Beside the matrix, the rows of both lie side by side.
    const size = figure.narrow ? 19 : (width - 66) / n;
    const long = width - left - right;
    return drawing(
      width,
      top + n * size + 2,
      `The weights of token ${query}`,
      text(0, 14, `Weights of token ${query}, ‘${tokens[query]}’`, "quiet"),
      line(left, top, left, top + n * size, "zero"),
      tokens.map((piece, key) => {
        const middle = top + (key + 0.5) * size;
        const seen = key <= query;
        return [
          text(22, middle + 4, String(key), "quiet small", "end"),
          text(left - 6, middle + 4, visible(piece), seen ? "small" : "quiet small", "end"),
          seen ? rect(left, middle - size * 0.32, long * row[key], size * 0.64, "fill c1") : null,
          text(
            seen ? left + long * row[key] + 5 : left + 5,
            middle + 4,
            seen ? (query ? share(row[key]) : percent(row[key])) : "later: not seen",
            seen && row[key] >= 0.005 ? "small" : "quiet small",
          ),
        ];
      }),
    );
  }
});
