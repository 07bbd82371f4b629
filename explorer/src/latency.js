// The plane of GPU memory and the time of a step: every policy at every precision, those that another beats pale.

import * as Plot from "@observablehq/plot";
import { called, described, element, figure, filtersOf, room } from "./page.js";
import { gib, short, times } from "./text.js";

/** @typedef {import("./page.js").Page} Page @typedef {import("./page.js").Shown} Shown */

/** The shape of each policy, whichever are shown. @type {{ [policy: string]: string }} */
const SYMBOLS = {
  all_resident: "square",
  prophet: "star",
  cpu_compute: "circle",
  lru_cache: "triangle",
  static_cache: "diamond",
  oracle_cache: "wye",
  on_demand_offload: "cross",
  layer_offload: "hexagon",
};
const FORMATS = ["#0072b2", "#e69f00", "#009e73", "#cc79a7"];

/** @param {Page} page @returns {Shown} */
export function latency(page) {
  /** @type {string[]} */
  const notes = [];
  const table = page.tables.alternatives;
  const filters = filtersOf(page, table, notes, {
    several: ["model", "precision", "policy"],
    single: ["gpu", "n_gpus", "batch", "provision", "law"],
  });
  const rows = table.select(filters);
  const points = rows.map((row) => ({
    model: called(page, "model", table.get("model", row)),
    policy: called(page, "policy", table.get("policy", row)),
    precision: called(page, "precision", table.get("precision", row)),
    gib: gib(table.number("gpu_bytes", row)),
    ms: 1000 * table.number("step_s", row),
    fits: table.get("fits", row) === true,
    beaten: table.get("is_dominated", row) === true,
    context: table.number("context_tokens", row),
    factor: table.number("latency_factor", row),
    sequences: table.number("concurrency", row),
  }));
  const holds = gib(Math.max(0, ...underGpu(page, filters.gpu[0])));
  const policies = filters.policy.map((policy) => called(page, "policy", policy));
  const precisions = filters.precision.map((precision) => called(page, "precision", precision));
  const symbol = { domain: policies, range: filters.policy.map((policy) => SYMBOLS[String(policy)] ?? "asterisk") };
  const color = { domain: precisions, range: precisions.map((_, at) => FORMATS[at % FORMATS.length]) };
  const star = called(page, "policy", "prophet"); // drawn last, so that nothing covers it
  const width = filters.model.length > 1 ? 360 : room(620);
  const grid = element("div", { class: "panels" });
  for (const model of new Set(points.map((point) => point.model))) {
    const own = points
      .filter((point) => point.model === model)
      .sort((a, b) => Number(a.policy === star) - Number(b.policy === star) || Number(b.beaten) - Number(a.beaten));
    // Formats that come to the same memory and time lie on one point; its note names each.
    /** @type {Map<string, string[]>} */
    const there = new Map();
    /** @param {(typeof points)[0]} point */
    const place = (point) => `${point.policy} ${point.gib} ${point.ms}`;
    for (const point of own) there.set(place(point), [point.precision, ...(there.get(place(point)) ?? [])]);
    const look = {
      x: "gib",
      y: "ms",
      symbol: "policy",
      stroke: "precision",
      strokeOpacity: (/** @type {(typeof points)[0]} */ point) => (point.beaten ? 0.45 : 1),
      r: 5,
      tip: true,
      title: (/** @type {(typeof points)[0]} */ point) =>
        `${point.policy}, ${there.get(place(point))?.join(" and ")}\n${short(point.gib)} GiB, ${short(point.ms)} ms a step (${times(point.factor)} of the resident step)\n${point.fits ? `${short(point.sequences)} sequences of ${short(point.context)} tokens fit` : "does not fit"}${point.beaten ? "\nanother choice takes no more of either" : ""}`,
    };
    const drawn = Plot.plot({
      width,
      inset: 8,
      height: 290,
      marginLeft: 48,
      title: element("h3", {}, model),
      x: { type: "log", label: "GiB beside the cache", tickFormat: short, ticks: 4 },
      y: { type: "log", label: "ms of a step", grid: true, tickFormat: short, ticks: 4 },
      symbol,
      color,
      marks: [
        Plot.ruleX([holds], { strokeDasharray: "5 3" }),
        Plot.dot(
          own.filter((point) => point.fits),
          { ...look, fill: "precision", fillOpacity: (point) => (point.beaten ? 0.35 : 1) },
        ),
        Plot.dot(
          own.filter((point) => !point.fits),
          look,
        ),
      ],
    });
    described(drawn, `${model}: GPU memory against the time of a step`);
    grid.append(drawn);
  }
  const keys = element("div", { class: "legend" });
  const symbols = Plot.legend({ symbol, fill: "currentColor" });
  const formats = Plot.legend({ color });
  if (symbols) keys.append(symbols);
  if (formats) keys.append(formats);
  const told = `${called(page, "gpu", filters.gpu[0])}${Number(filters.n_gpus[0]) > 1 ? ` × ${filters.n_gpus[0]}` : ""}, batch ${filters.batch_size[0]}, ${called(page, "law", filters.routing[0])}, ${called(page, "provision", filters.provision[0])}. Shape: policy; colour: precision. Pale: another choice, shown or not, takes no more memory and no more time. Hollow: does not fit. Dashed: what the GPU holds.`;
  const frame = figure("What a policy takes: memory and time", told, grid);
  frame.insertBefore(keys, grid);
  if (rows.length === 0)
    notes.push(
      "Nothing was computed at this choice: a law that does not say which experts are active gives no time to a step that fetches.",
    );
  return { charts: [frame], notes, selection: { table, rows, names: table.names } };
}

/** What a GPU holds, in bytes. @param {Page} page @param {unknown} gpu */
function underGpu(page, gpu) {
  const table = Object.entries(page.tables).find(([name]) => name.startsWith("sweep "))?.[1];
  if (!table) return [];
  const rows = table.select({ gpu: [/** @type {string} */ (gpu)] });
  return rows.slice(0, 1).map((row) => table.number("gpu_memory_bytes", row));
}
