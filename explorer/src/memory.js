// The memory of the fullest GPU, stacked by what takes it, with the line of what it may hold.

import * as Plot from "@observablehq/plot";
import { called, figure, filtersOf, underEngine } from "./page.js";
import { brief, gib, short, times } from "./text.js";

/** @typedef {import("./page.js").Page} Page @typedef {import("./page.js").Shown} Shown */

const PARTS = [
  ["non_expert_bytes", "other weights", "#6e6e6e"],
  ["resident_expert_bytes", "resident experts", "#e69f00"],
  ["activation_bytes", "activations", "#0072b2"],
  ["runtime_reserve_bytes", "runtime reserve", "#b0b0b0"],
  ["overhead_bytes", "Prophet’s predictor", "#cc79a7"],
  ["free_for_kv_bytes", "left for the KV cache", "#7fc4f0"],
];
const HEADROOM = 1.18; // above the highest bar, for what is written there
const MOST = 2; // times what the GPU holds: bars beyond are cut, and say their height

/** @param {Page} page @returns {Shown} */
export function memory(page) {
  /** @type {string[]} */
  const notes = [];
  const table = underEngine(page, "sweep");
  const filters = filtersOf(page, table, notes, {
    several: ["model", "precision", "policy", "law"],
    single: ["gpu", "n_gpus", "batch", "provision"],
  });
  const rows = table.select(filters).filter((row) => {
    // What every expert takes is the same under every law.
    return table.get("policy", row) !== page.baseline || table.get("routing", row) === filters.routing[0];
  });
  const many = filters.precision.length > 1;
  const label = (/** @type {number} */ row) => {
    const policy = table.get("policy", row);
    const law = policy === page.baseline ? [] : [called(page, "law", table.get("routing", row)).replace(/ \(.*|exact /g, "")];
    const format = many ? [called(page, "precision", table.get("precision", row))] : [];
    return [called(page, "policy", policy).replace("all experts resident", "all resident"), ...law, ...format].join("\n");
  };
  const capacity = rows.length > 0 ? gib(table.number("usable_bytes", rows[0])) : 1;
  const bars = rows.map((row) => ({
    model: called(page, "model", table.get("model", row)),
    label: label(row),
    verdict: String(table.get("fit_verdict", row)),
    total: gib(PARTS.slice(0, -1).reduce((sum, [name]) => sum + table.number(name, row), 0)),
    usable: table.number("usable_kv_extension", row),
    tokens: table.number("usable_kv_capacity_tokens", row),
  }));
  const parts = rows.flatMap((row, at) => {
    let below = 0;
    return PARTS.map(([name, part]) => {
      const size = Math.max(0, gib(table.number(name, row)));
      const own = { ...bars[at], part, size, y1: Math.min(below, MOST * capacity), y2: Math.min(below + size, MOST * capacity) };
      below += size;
      return own;
    }).filter((own) => own.y2 > own.y1);
  });
  const models = filters.model.map((model) => called(page, "model", model));
  const labels = [...new Set(bars.map((bar) => bar.label))];
  const width = Math.max(640, 90 + models.length * Math.max(120, labels.length * 76));
  const drawn = Plot.plot({
    width,
    height: 440,
    marginTop: 40,
    marginBottom: 64,
    marginLeft: 50,
    fx: { domain: models, label: null, padding: 0.12 },
    x: { domain: labels, label: null, tickSize: 0, padding: 0.18 },
    y: {
      label: "GiB on the fullest GPU",
      grid: true,
      domain: [0, HEADROOM * Math.min(MOST * capacity, Math.max(capacity, ...bars.map((bar) => bar.total)))],
    },
    color: { domain: PARTS.map(([, part]) => part), range: PARTS.map(([, , colour]) => colour), legend: true },
    marks: [
      Plot.barY(parts, {
        fx: "model",
        x: "label",
        y1: "y1",
        y2: "y2",
        fill: "part",
        stroke: "var(--paper)",
        strokeWidth: 0.5,
        tip: true,
        channels: { GiB: (own) => short(own.size), verdict: (own) => own.verdict.replaceAll("_", " ") },
        title: (own) => `${own.model}, ${own.label.replaceAll("\n", ", ")}\n${own.part}: ${short(own.size)} GiB`,
      }),
      Plot.ruleY([capacity], { strokeDasharray: "5 3", strokeWidth: 1.5 }),
      Plot.text(bars, {
        fx: "model",
        x: "label",
        y: (bar) => Math.min(MOST * capacity, Math.max(capacity, bar.total)),
        dy: -8,
        text: (bar) =>
          bar.verdict === "does_not_fit"
            ? `${bar.total > MOST * capacity ? "cut: " : ""}${short(bar.total)}\nno fit`
            : bar.verdict === "newly_fits"
              ? `newly fits\n${brief(bar.tokens)} tok.`
              : times(bar.usable),
        lineAnchor: "bottom",
      }),
    ],
  });
  const told = `${called(page, "gpu", filters.gpu[0])}${Number(filters.n_gpus[0]) > 1 ? ` × ${filters.n_gpus[0]}` : ""}, batch ${filters.batch_size[0]}, ${called(page, "provision", filters.provision[0])}. Dashed: the ${short(capacity)} GiB that may be used. Above each bar: the usable KV extension, or the usable tokens where only Prophet fits.`;
  return {
    charts: [figure("Where the memory of a GPU goes", told, drawn)],
    notes,
    selection: { table, rows, names: table.names },
  };
}
