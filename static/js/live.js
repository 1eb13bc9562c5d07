// Keeps the page of a run current while it works.
//
// The server's events are snapshots (phase, progress, place in the queue), which replace what is
// shown, or additions (tokens, log lines, points), which are appended once each: the cursor that
// came with the page, and the browser's own after that, tell the server where to go on. When the
// run's state changes, the server ends the stream and the part that changes is fetched anew.

import { SERIES, draw } from "./chart.js";

const QUANTITIES = {
  pp: { title: "Prompt, tokens/s", along: "Repetition" },
  tg: { title: "Generation, tokens/s", along: "Repetition" },
  perplexity: { title: "Perplexity", along: "Tokens" },
  kl: { title: "KL divergence, nats", along: "Tokens" },
};
// A chart this wide has room for two panels side by side.
const WIDE_PX = 620;
// A browser keeps six connections to one host; a tab nobody looks at gives its one back.
const HIDDEN_MS = 2000;
const REDRAW_MS = 250;
const RETRY_MS = 2000;

class Live {
  constructor(element) {
    this.element = element;
    this.place = element.closest("#run");
    this.after = element.dataset.after;
    this.series = new Map();
    for (const token of read("live-tokens")) this.showCandidates(token);
    const words = this.part("tokens").querySelectorAll(".token");
    read("live-tokens").forEach((token, i) => shade(words[i], token.probability));
    for (const point of read("live-points")) this.point(point);
    this.timer = setInterval(() => this.elapsed(), 1000);
    this.elapsed();
    this.open();
  }

  part(name) {
    return this.element.querySelector(`[data-${name}]`);
  }

  open() {
    if (this.source || this.over) return;
    this.source = new EventSource(`${this.element.dataset.events}&after=${this.after}`);
    this.source.onmessage = (message) => {
      this.after = message.lastEventId;
      this.take(JSON.parse(message.data));
    };
    this.source.addEventListener("waiting", (message) => {
      this.part("waiting").textContent = JSON.parse(message.data).words;
    });
    this.source.addEventListener("state", () => this.renew());
    this.source.onerror = () => {
      // A browser reconnects by itself, except after an answer that is no stream.
      if (this.source?.readyState !== EventSource.CLOSED) return;
      this.close();
      setTimeout(() => this.open(), RETRY_MS);
    };
  }

  close() {
    this.source?.close();
    this.source = undefined;
  }

  take(event) {
    if (!this.element.dataset.started) this.begin();
    this[event.type]?.(event);
  }

  begin() {
    this.element.dataset.started = new Date().toISOString();
    this.part("waiting").textContent = "";
    const badge = this.place.querySelector(".badge");
    badge.className = "badge running";
    badge.textContent = "Running";
  }

  phase({ name }) {
    this.part("phase").textContent = name;
    this.part("progress").hidden = true;
  }

  progress({ done, total, unit }) {
    const part = this.part("progress");
    part.hidden = false;
    Object.assign(part.querySelector("progress"), { max: total, value: done });
    this.part("count").textContent = `${done} of ${total} ${unit}`;
  }

  token(token) {
    const words = this.part("tokens");
    words.hidden = false;
    const word = document.createElement("span");
    word.className = "token";
    word.textContent = token.text;
    shade(word, token.probability);
    words.append(word);
    this.showCandidates(token);
  }

  showCandidates({ candidates }) {
    this.part("candidates").hidden = false;
    const rows = candidates.map(({ text, probability }) => {
      const row = document.createElement("tr");
      const name = document.createElement("th");
      name.scope = "row";
      const code = document.createElement("code");
      code.textContent = JSON.stringify(text).slice(1, -1);
      name.append(code);
      const cell = document.createElement("td");
      const share = document.createElement("span");
      share.className = "share";
      share.style.setProperty("--p", probability);
      share.textContent = `${(100 * probability).toFixed(1)} %`;
      cell.append(share);
      row.append(name, cell);
      return row;
    });
    this.part("candidates").querySelector("tbody").replaceChildren(...rows);
  }

  log({ line }) {
    const log = this.part("log");
    const atEnd = log.scrollTop + log.clientHeight >= log.scrollHeight - 4;
    log.append(`${line}\n`);
    if (atEnd) log.scrollTop = log.scrollHeight;
  }

  point({ series, x, y, low, high }) {
    if (!this.series.has(series)) this.series.set(series, { x: [], y: [], low: [], high: [] });
    const points = this.series.get(series);
    points.x.push(x);
    points.y.push(y);
    points.low.push(low ?? y);
    points.high.push(high ?? y);
    // Points come faster than a chart can usefully be drawn.
    this.drawing ??= setTimeout(() => this.chart(), REDRAW_MS);
  }

  async chart() {
    this.part("chart-figure").hidden = false;
    const chart = this.part("live-chart");
    await draw(chart, panels(this.series, chart.clientWidth > WIDE_PX ? 2 : 1));
    this.drawing = undefined;
  }

  elapsed() {
    const { started } = this.element.dataset;
    if (!started) return;
    const seconds = Math.max(0, Math.round((Date.now() - Date.parse(started)) / 1000));
    this.part("elapsed").textContent = `${seconds} s so far.`;
  }

  end() {
    this.over = true;
    this.close();
    clearInterval(this.timer);
    clearTimeout(this.drawing);
  }

  async renew() {
    this.end();
    const into = { target: this.place, swap: "innerHTML" };
    await htmx.ajax("GET", this.element.dataset.state, into).catch(() => {});
    // Still there: the server did not answer. It may be starting again.
    if (this.element.isConnected) setTimeout(() => this.renew(), RETRY_MS);
  }
}

/**
 * The figure of all series, a panel for each quantity. The first word of a series' name is what is
 * measured, the rest is what it is measured on: "kl Q4_K_M".
 */
export function panels(series, most) {
  const named = [...series].map(([name, points]) => {
    const [quantity, ...subject] = name.split(" ");
    return { name, quantity, subject: subject.join(" "), points };
  });
  const quantities = [...new Set(named.map(({ quantity }) => quantity))];
  const subjects = [...new Set(named.map(({ subject }) => subject))];
  const columns = Math.min(most, quantities.length);
  const rows = Math.ceil(quantities.length / columns);
  const layout = {
    grid: { rows, columns, pattern: "independent", xgap: 0.16, ygap: 0.34 },
    height: Math.max(420, 210 * rows),
    showlegend: false,
  };
  const spreads = quantities.map((quantity) => spread(named, quantity, true));
  // Lines are named where they lie apart; elsewhere the same subject has the same colour.
  const apart = quantities[spreads.indexOf(Math.max(...spreads))];
  quantities.forEach((quantity, i) => {
    const { title, along } = QUANTITIES[quantity] ?? { title: quantity, along: "" };
    layout[`xaxis${i ? i + 1 : ""}`] = { title: { text: along } };
    layout[`yaxis${i ? i + 1 : ""}`] = {
      title: { text: title },
      type: spread(named, quantity) > 50 ? "log" : "linear",
    };
  });
  const data = named.flatMap((one) =>
    traces(one, {
      panel: quantities.indexOf(one.quantity),
      color: SERIES[subjects.indexOf(one.subject) % SERIES.length],
      label: one.quantity === apart ? one.subject : "",
    }),
  );
  return { data, layout };
}

/** The largest value of a quantity over the smallest: of all its points, or of the last ones. */
function spread(named, quantity, last = false) {
  const ys = named
    .filter((one) => one.quantity === quantity)
    .flatMap(({ points: { y } }) => (last ? y.slice(-1) : y))
    .filter((y) => y > 0);
  return ys.length ? Math.max(...ys) / Math.min(...ys) : 1;
}

function traces({ name, points: { x, y, low, high } }, { panel, color, label }) {
  const axes = panel ? { xaxis: `x${panel + 1}`, yaxis: `y${panel + 1}` } : {};
  const common = { type: "scatter", x, ...axes };
  const band = { ...common, mode: "lines", line: { width: 0 }, showlegend: false, hoverinfo: "skip" };
  return [
    { ...band, y: low },
    { ...band, y: high, fill: "tonexty", fillcolor: `${color} 18%` },
    {
      ...common,
      y,
      name,
      mode: x.length > 12 ? "lines+text" : "lines+markers+text",
      line: { color, width: 2 },
      marker: { color, symbol: "circle", size: 5 },
      text: x.map((_, i) => (i === x.length - 1 ? label : "")),
      textposition: "top left",
    },
  ];
}

function shade(word, probability) {
  word.style.setProperty("--p", probability);
  word.title = `${(100 * probability).toFixed(1)} %`;
}

function read(id) {
  return JSON.parse(document.getElementById(id).textContent);
}

let live;

function find() {
  for (const word of document.querySelectorAll(".token[data-p]")) shade(word, word.dataset.p);
  const element = document.querySelector("[data-live]");
  if (element === live?.element) return;
  // Another submission has taken its place on the page.
  live?.end();
  live = element ? new Live(element) : undefined;
}

find();
document.addEventListener("htmx:load", find);

let hidden;
document.addEventListener("visibilitychange", () => {
  clearTimeout(hidden);
  if (document.hidden) hidden = setTimeout(() => live?.close(), HIDDEN_MS);
  else live?.open();
});
