// Savings and usable KV extension against the batch size.

import * as Plot from "@observablehq/plot";
import { called, colours, dash, figure, filtersOf, room, swept, underEngine } from "./page.js";
import { brief, short, times } from "./text.js";

/** @typedef {import("./page.js").Page} Page @typedef {import("./page.js").Shown} Shown */

/** @param {Page} page @returns {Shown} */
export function batches(page) {
  /** @type {string[]} */
  const notes = [];
  const table = underEngine(page, "sweep");
  const policies = swept(page, table, "policy", "policy", notes).filter((policy) => policy !== page.baseline);
  /** @type {import("./page.js").Filters} */
  const filters = {
    ...filtersOf(page, table, notes, {
      several: ["model", "law"],
      single: ["gpu", "n_gpus", "precision", "provision"],
    }),
    policy: policies.length > 0 ? policies : table.values("policy").filter((policy) => policy !== page.baseline),
  };
  const rows = table.select(filters);
  const points = rows.map((row) => ({
    model: called(page, "model", table.get("model", row)),
    precision: called(page, "precision", table.get("precision", row)),
    law: table.get("routing", row),
    batch: table.number("batch_size", row),
    saved: 100 * table.number("expert_savings_fraction", row),
    extension: table.number("usable_kv_extension", row),
    tokens: table.number("usable_kv_capacity_tokens", row),
  }));
  const names = filters.model.map((model) => called(page, "model", model));
  const common = {
    width: room(900),
    height: 330,
    marginLeft: 50,
    x: {
      type: /** @type {const} */ ("log"),
      base: 2,
      label: "Batch size (sequences)",
      tickFormat: (/** @type {number} */ b) => String(b),
    },
    color: { ...colours(names), legend: true },
  };
  /** @type {{ [y: string]: (point: (typeof points)[0]) => string }} */
  const said = {
    saved: (point) => `${short(point.saved)} % saved`,
    extension: (point) => times(point.extension),
    tokens: (point) => `${short(point.tokens)} tokens`,
  };
  const at = Plot.ruleX([Number(page.state.batch[0])], { strokeDasharray: "2 3" });
  /** @param {"saved" | "extension" | "tokens"} y @param {typeof points} data */
  const lines = (y, data) => [
    at,
    ...filters.routing.map((law) =>
      Plot.lineY(
        data.filter((point) => point.law === law),
        {
          x: "batch",
          y,
          stroke: "model",
          z: (point) => `${point.model} ${point.precision}`,
          strokeWidth: 1.8,
          strokeDasharray: dash(page, law),
        },
      ),
    ),
    Plot.dot(data, {
      x: "batch",
      y,
      fill: "model",
      r: 2.8,
      tip: true,
      title: (/** @type {(typeof points)[0]} */ point) =>
        `${point.model}, ${point.precision}\n${called(page, "law", point.law)}\nbatch ${point.batch}: ${said[y](point)}`,
    }),
  ];
  const fitting = points.filter((point) => Number.isFinite(point.extension));
  const held = points.filter((point) => point.tokens > 0);
  const savings = Plot.plot({
    ...common,
    y: { label: "Expert savings (%)", grid: true, domain: [0, 100] },
    marks: lines("saved", points),
  });
  const extension = Plot.plot({
    ...common,
    y: { label: "Usable KV extension (×)", grid: true, domain: [1, Math.max(1.1, ...fitting.map((point) => point.extension))] },
    marks: [...lines("extension", fitting), Plot.ruleY([1])],
  });
  const tokens = Plot.plot({
    ...common,
    y: { type: "log", label: "Usable KV capacity (tokens)", grid: true, tickFormat: brief },
    marks: lines("tokens", held),
  });
  const laws = filters.routing
    .map((law) => `${called(page, "law", law)} ${dash(page, law) === "0" ? "in full lines" : "dashed"}`)
    .join(", ");
  const where = `${called(page, "gpu", filters.gpu[0])}${Number(filters.n_gpus[0]) > 1 ? ` × ${filters.n_gpus[0]}` : ""}, ${called(page, "provision", filters.provision[0])}; ${laws}. The upright line is the chosen batch.`;
  const charts = [figure("What is saved", `Share of the routed experts’ bytes that Prophet does not keep. ${where}`, savings)];
  if (fitting.length > 0) {
    const told = `Usable KV capacity over that with all experts resident, where those fit. ${where}`;
    charts.push(figure("What the cache gains", told, extension));
  } else {
    notes.push(
      "With all experts resident none of these models fits, so no extension exists. More GPUs, a larger one or fewer bits give one.",
    );
  }
  if (held.length > 0)
    charts.push(figure("What the cache holds", `Tokens that sequences can use under Prophet, where it fits. ${where}`, tokens));
  else notes.push("Under Prophet none of these models fits, either.");
  return { charts, notes, selection: { table, rows, names: table.names } };
}
