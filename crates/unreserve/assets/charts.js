// @ts-check
// Pictures, each drawn from the table beside it, so that the picture and the figures are one and the same.

/** uPlot, which another script has put here; without it the tables remain. */
const Plot = /** @type {any} */ (globalThis).uPlot;

/** Round steps of an axis of time spans: from a millisecond to a quarter of a year. */
const STEPS_MS = [
  ...[1, 2, 5, 10, 20, 50, 100, 200, 500],
  ...[1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800].map((seconds) => seconds * 1_000),
  ...[1, 2, 3, 6, 12, 24, 48, 120, 240, 720, 2160].map((hours) => hours * 3_600_000),
];

/**
 * One row of a figure's table.
 * @typedef {{ at: number, label: string, values: number[], late: boolean, shown: string[] }} Row
 */

/** @type {WeakMap<Element, { plot: any, watcher: ResizeObserver }>} */
const drawn = new WeakMap();

/**
 * Draws every picture below an element.
 * @param {ParentNode} root
 */
export function draw(root) {
  if (!Plot) return;
  for (const figure of root.querySelectorAll("figure[data-picture]")) one(/** @type {HTMLElement} */ (figure));
}

/** Draws all of them anew, in the colours that hold now. */
export function redraw() {
  draw(document);
}

/**
 * @param {HTMLElement} figure
 * @returns {Row[]}
 */
function rows(figure) {
  return [...figure.querySelectorAll("tbody tr")].map((row, place) => {
    const cells = /** @type {HTMLElement[]} */ ([...row.querySelectorAll("[data-value]")]);
    const at = /** @type {HTMLElement} */ (row).dataset.at;
    return {
      at: at === undefined ? place : Number(at),
      label: row.querySelector("th")?.textContent?.trim() ?? "",
      values: cells.map((cell) => Number(cell.dataset.value)),
      late: row.hasAttribute("data-late"),
      shown: cells.map((cell) => cell.textContent?.trim() ?? ""),
    };
  });
}

/**
 * The rows on an even grid, so that bars have one width and what is missing is nothing.
 * @param {HTMLElement} figure
 * @param {Row[]} given
 * @returns {Row[]}
 */
function even(figure, given) {
  const step = Number(figure.dataset.step ?? 0);
  const last = Math.max(Number(figure.dataset.last ?? 0), ...given.map((row) => row.at));
  const first = Math.min(...given.map((row) => row.at), Number(figure.dataset.first ?? Infinity));
  if (!(step > 0) || !Number.isFinite(first)) return given;
  const known = new Map(given.map((row) => [Math.round((row.at - first) / step), row]));
  const count = Math.min(400, Math.round((last - first) / step) + 1);
  return Array.from({ length: count }, (_, place) => {
    const row = known.get(place);
    return row ?? { at: first + place * step, label: "", values: [0], late: false, shown: [] };
  });
}

/**
 * @param {number} seconds
 * @param {string | undefined} kind
 */
function tick(seconds, kind) {
  const at = new Date(seconds * 1000);
  if (kind === "day") return at.toLocaleDateString("en-GB", { day: "numeric", month: "short", timeZone: "UTC" });
  return at.toLocaleTimeString("en-GB", { hour: "2-digit", minute: "2-digit", hourCycle: "h23" });
}

/**
 * A figure on the axis at the side.
 * @param {number} value
 * @param {string | undefined} unit
 */
function onAxis(value, unit) {
  if (unit !== "ms") return Number.isInteger(value) ? value.toLocaleString("en-US") : "";
  if (value < 1000) return `${value} ms`;
  if (value < 120_000) return `${Number((value / 1000).toFixed(1))} s`;
  if (value < 7_200_000) return `${Number((value / 60_000).toFixed(1))} min`;
  return value < 172_800_000 ? `${Number((value / 3_600_000).toFixed(1))} h` : `${Number((value / 86_400_000).toFixed(1))} d`;
}

/** @param {HTMLElement} figure */
function one(figure) {
  const old = drawn.get(figure);
  old?.watcher.disconnect();
  old?.plot.destroy();
  const place = /** @type {HTMLElement | null} */ (figure.querySelector(".plot"));
  const given = rows(figure);
  if (!place || given.length === 0) return;
  figure.classList.add("drawn");
  place.replaceChildren();
  const data = even(figure, given);
  const tip = document.createElement("div");
  tip.className = "tip";
  tip.hidden = true;
  const plot = new Plot(options(figure, place, data, tip), columns(data), place);
  plot.over.append(tip);
  const watcher = new ResizeObserver(() => {
    if (place.clientWidth > 0) plot.setSize({ width: place.clientWidth, height: place.clientHeight });
  });
  watcher.observe(place);
  drawn.set(figure, { plot, watcher });
}

/**
 * What is in time, and what is late, as two columns over one axis.
 * @param {Row[]} data
 */
function columns(data) {
  const sum = (/** @type {Row} */ row) => row.values[0] ?? 0;
  return [
    data.map((row) => row.at),
    data.map((row) => (row.late ? null : sum(row))),
    data.map((row) => (row.late ? sum(row) : null)),
  ];
}

/**
 * @param {HTMLElement} figure
 * @param {HTMLElement} place
 * @param {Row[]} data
 * @param {HTMLElement} tip
 */
function options(figure, place, data, tip) {
  const { picture: kind, unit } = figure.dataset;
  const colour = (/** @type {string} */ name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const step = Number(figure.dataset.step ?? 0);
  const first = data[0]?.at ?? 0;
  const last = data.at(-1)?.at ?? 0;
  const room = kind === "hours" ? [first, last + step] : [first - (step || 1) * 0.6, last + (step || 1) * 0.6];
  const font = `12px ${colour("--sans")}`;
  const axis = { stroke: colour("--ink-soft"), font, ticks: { show: false }, gap: 6 };
  const bars = (/** @type {string} */ name) => ({
    stroke: "transparent",
    width: 0,
    fill: colour(name),
    points: { show: false },
    paths: Plot.paths.bars({ size: [0.78, 56], align: kind === "hours" ? 1 : 0, radius: 0.12 }),
  });
  const words = kind === "words";
  return {
    width: place.clientWidth,
    height: place.clientHeight,
    legend: { show: false },
    cursor: { y: false, drag: { x: false, y: false }, points: { show: false } },
    scales: {
      x: { time: !words, range: () => room },
      y: { range: (/** @type {any} */ _, /** @type {number} */ __, /** @type {number} */ most) => [0, Math.max(most * 1.08, 1)] },
    },
    tzDate: kind === "day" ? (/** @type {number} */ at) => Plot.tzDate(new Date(at * 1000), "UTC") : undefined,
    axes: [
      {
        ...axis,
        grid: { show: false },
        size: 28,
        space: words ? 40 : 64,
        ...(words ? { splits: () => data.map((row) => row.at) } : {}),
        values: (/** @type {any} */ _, /** @type {number[]} */ at) =>
          at.map((one) => (words ? (data[one]?.label ?? "") : tick(one, kind))),
      },
      {
        ...axis,
        size: unit === "ms" ? 62 : 48,
        space: 34,
        incrs: unit === "ms" ? STEPS_MS : [1, 2, 5, 10, 20, 50, 100, 200, 500, 1e3, 2e3, 5e3, 1e4, 2e4, 5e4, 1e5, 1e6, 1e7],
        grid: { stroke: colour("--line"), width: 1 },
        values: (/** @type {any} */ _, /** @type {number[]} */ at) => at.map((one) => onAxis(one, unit)),
      },
    ],
    series: [{}, bars("--bar"), bars("--bar-late")],
    hooks: {
      setCursor: [
        (/** @type {any} */ plot) => {
          const row = data[plot.cursor.idx ?? -1];
          tip.hidden = !row || row.shown.length === 0;
          if (!row || tip.hidden) return;
          tip.textContent = `${row.label}: ${row.shown.join(" · ")}`;
          const left = plot.valToPos(row.at, "x");
          const wide = tip.offsetWidth;
          tip.classList.add("placed");
          tip.style.left = `${Math.max(0, Math.min(plot.over.clientWidth - wide, left - wide / 2))}px`;
        },
      ],
    },
  };
}
