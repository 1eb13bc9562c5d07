// Draws every <div class="chart" data-chart="ID"> from the plotly figure in
// <script type="application/json" id="ID">. The table beside a chart says the same in HTML.
//
// A figure names its colours as the stylesheet does, "var(--accent)", or "var(--accent) 20%" for a
// translucent one, and so follows the theme.

export const SERIES = [1, 2, 3, 4, 5].map((number) => `var(--series-${number})`);
// Series differ in shape too, never in colour alone.
const SYMBOLS = ["diamond", "circle", "square", "triangle-up", "x"];
const PREDICTED = "You said";
const CONFIG = {
  displaylogo: false,
  displayModeBar: "hover",
  showSendToCloud: false,
  modeBarButtonsToRemove: ["select2d", "lasso2d", "autoScale2d"],
  responsive: true,
};
const figures = new Map();

let plotly;

/** plotly itself, 4.6 MB, asked for once and only when there is something to draw. */
function load() {
  plotly ??= new Promise((resolve, reject) => {
    const script = document.createElement("script");
    script.src = document.querySelector("script[data-plotly]").dataset.plotly;
    script.onload = () => resolve(window.Plotly);
    script.onerror = () => reject(new Error("plotly could not be loaded"));
    document.head.append(script);
  });
  return plotly;
}

/** What the theme in force makes of a custom property, as "rgb(…)". */
function colour(name, element) {
  const probe = document.createElement("span");
  probe.style.color = `var(${name})`;
  element.append(probe);
  const value = getComputedStyle(probe).color;
  probe.remove();
  return value;
}

/** The same figure with every "var(--name)" replaced by the theme's colour. */
function coloured(value, element) {
  if (typeof value === "string") {
    const [, name, share] = /^var\((--[\w-]+)\)(?: (\d+)%)?$/.exec(value) ?? [];
    if (!name) return value;
    const opaque = colour(name, element);
    return share ? opaque.replace(/^rgb\((.*)\)$/, `rgba($1, ${share / 100})`) : opaque;
  }
  if (Array.isArray(value)) return value.map((item) => coloured(item, element));
  if (value && typeof value === "object") {
    return Object.fromEntries(
      Object.entries(value).map(([key, item]) => [key, coloured(item, element)]),
    );
  }
  return value;
}

/** A prediction is drawn hollow and quiet, a measurement solid; what the trace says itself wins. */
function shaped(trace, index, traces) {
  const predicted = trace.name === PREDICTED;
  const measured = traces.some((other) => other.name === PREDICTED) ? index - 1 : index;
  const color = predicted ? "var(--muted)" : SERIES[measured % SERIES.length];
  if (trace.type === "bar") {
    const pattern = predicted ? { shape: "/", fillmode: "replace", size: 7 } : {};
    return { ...trace, marker: { color, pattern, ...trace.marker } };
  }
  const symbol = predicted ? "circle-open" : SYMBOLS[measured % SYMBOLS.length];
  const size = trace.mode?.includes("lines") ? 6 : 11;
  const marker = { color, symbol, size, line: { width: predicted ? 2 : 0, color } };
  return { cliponaxis: false, ...trace, marker: { ...marker, ...trace.marker } };
}

/** Logarithmic axes with as many labels as can be read. */
function readable(layout) {
  return Object.fromEntries(
    Object.entries(layout).map(([key, value]) => [
      key,
      value?.type === "log" ? { nticks: 7, exponentformat: "power", ...value } : value,
    ]),
  );
}

function template(element) {
  const axis = {
    automargin: true,
    color: colour("--muted", element),
    gridcolor: colour("--line", element),
    linecolor: colour("--line-strong", element),
    zerolinecolor: colour("--line-strong", element),
    title: { standoff: 12, font: { size: 15 } },
  };
  const surface = colour("--surface", element);
  return {
    layout: {
      bargap: 0.5,
      bargroupgap: 0.1,
      colorway: coloured(SERIES, element),
      font: {
        family: getComputedStyle(element).fontFamily,
        size: 15,
        color: colour("--ink", element),
      },
      hoverlabel: {
        bgcolor: surface,
        bordercolor: axis.linecolor,
        font: { family: getComputedStyle(element).fontFamily, color: colour("--ink", element) },
      },
      legend: { orientation: "h", x: 0, y: 1.02, yanchor: "bottom" },
      margin: { l: 56, r: 16, t: 40, b: 48 },
      modebar: {
        bgcolor: "rgba(0,0,0,0)",
        color: axis.color,
        activecolor: colour("--accent", element),
      },
      paper_bgcolor: "rgba(0,0,0,0)",
      plot_bgcolor: "rgba(0,0,0,0)",
      xaxis: axis,
      yaxis: axis,
    },
  };
}

/** Draws the figure, or draws it anew with other data, colours or width. */
export async function draw(element, figure = figures.get(element)) {
  figures.set(element, figure);
  const { react } = await load();
  const { data, layout = {} } = figures.get(element);
  await react(
    element,
    coloured(data.map(shaped), element),
    { ...coloured(readable(layout), element), template: template(element) },
    CONFIG,
  );
  // A reader gets the caption and the table; the drawing's own texts would be noise.
  for (const svg of element.querySelectorAll("svg.main-svg")) svg.setAttribute("aria-hidden", "true");
  element.dataset.drawn = "true";
}

/** Adds points to the traces of a drawn chart: `points[i]` is {x: […], y: […]} for trace i. */
export async function extend(element, points) {
  const figure = figures.get(element);
  points.forEach(({ x, y }, index) => {
    figure.data[index].x = [...(figure.data[index].x ?? []), ...x];
    figure.data[index].y = [...(figure.data[index].y ?? []), ...y];
  });
  await draw(element, figure);
}

function find(root) {
  for (const element of root.querySelectorAll(".chart[data-chart]")) {
    // What is folded has no width; it is drawn when it is opened.
    if (figures.has(element) || element.closest("details:not([open])")) continue;
    draw(element, JSON.parse(document.getElementById(element.dataset.chart).textContent));
  }
}

find(document);
document.addEventListener("htmx:load", (event) => find(event.target));
document.addEventListener("toggle", (event) => event.target.open && find(event.target), true);
document.addEventListener("themechange", () => figures.forEach((_, element) => draw(element)));
