// How many sequences fit at once, by their context.

import * as Plot from "@observablehq/plot";
import { called, colours, dash, figure, filtersOf, room, underEngine } from "./page.js";
import { short } from "./text.js";

/** @typedef {import("./page.js").Page} Page @typedef {import("./page.js").Shown} Shown */

/** @param {Page} page @returns {Shown} */
export function concurrency(page) {
  /** @type {string[]} */
  const notes = [];
  const table = underEngine(page, "concurrency");
  const { context_tokens, ...filters } = filtersOf(page, table, notes, {
    several: ["model", "policy", "law"],
    single: ["gpu", "n_gpus", "precision", "provision", "context"],
  });
  const context = Number(context_tokens[0]);
  const rows = table.select(filters).filter((row) => {
    return table.get("policy", row) !== page.baseline || table.get("routing", row) === filters.routing[0];
  });
  const points = rows.map((row) => ({
    model: called(page, "model", table.get("model", row)),
    isBaseline: table.get("policy", row) === page.baseline,
    policy: called(page, "policy", table.get("policy", row)),
    law: table.get("routing", row),
    context: table.number("context_tokens", row),
    sequences: table.number("concurrency", row),
  }));
  const names = filters.model.map((model) => called(page, "model", model));
  const there = points.filter((point) => point.sequences > 0);
  const series = [{ isBaseline: true, law: filters.routing[0] }, ...filters.routing.map((law) => ({ isBaseline: false, law }))];
  /** @param {(typeof points)[0]} point */
  const title = (point) =>
    `${point.model}, ${point.policy}${point.isBaseline ? "" : `\n${called(page, "law", point.law)}`}\n${short(point.context)} tokens: ${short(point.sequences)} sequences`;
  const look = { x: "context", stroke: "model", r: 3, tip: true, title };
  const color = { ...colours(names), legend: true };
  const lines = Plot.plot({
    width: room(900),
    height: 360,
    marginLeft: 50,
    x: {
      type: "log",
      base: 2,
      label: "Context of each sequence (tokens)",
      tickFormat: (/** @type {number} */ c) => (c >= 1024 ? `${c / 1024}k` : String(c)),
    },
    y: { type: "log", label: "Sequences at once", grid: true },
    color,
    marks: [
      Plot.ruleX([context], { strokeDasharray: "2 3" }),
      ...series.map((own) =>
        Plot.lineY(
          there.filter((point) => point.isBaseline === own.isBaseline && point.law === own.law),
          {
            x: "context",
            y: "sequences",
            stroke: "model",
            strokeWidth: own.isBaseline ? 1 : 2,
            strokeOpacity: own.isBaseline ? 0.6 : 1,
            strokeDasharray: own.isBaseline ? "0" : dash(page, own.law),
          },
        ),
      ),
      Plot.dot(
        there.filter((point) => !point.isBaseline),
        { ...look, y: "sequences", fill: "model" },
      ),
      Plot.dot(
        there.filter((point) => point.isBaseline),
        { ...look, y: "sequences" },
      ),
    ],
  });
  const at = points.filter((point) => point.context === context);
  const dots = Plot.plot({
    width: room(900),
    height: 70 + 28 * names.length,
    marginLeft: 150,
    y: { domain: names, label: null, grid: true },
    x: { label: `Sequences of ${short(context)} tokens at once`, grid: true, nice: true },
    color: { ...colours(names) },
    marks: [
      Plot.ruleY(names, {
        y: (name) => name,
        x1: (name) => Math.min(...at.filter((p) => p.model === name).map((p) => p.sequences), Number.POSITIVE_INFINITY),
        x2: (name) => Math.max(0, ...at.filter((p) => p.model === name).map((p) => p.sequences)),
        stroke: (name) => name,
        strokeWidth: 1.5,
        filter: (name) => at.some((p) => p.model === name),
      }),
      Plot.dot(
        at.filter((point) => point.isBaseline),
        { y: "model", x: "sequences", stroke: "model", fill: "var(--paper)", r: 5, tip: true, title },
      ),
      Plot.dot(
        at.filter((point) => !point.isBaseline),
        {
          y: "model",
          x: "sequences",
          fill: "model",
          symbol: (point) => (point.law === "power_law" ? "square" : "circle"),
          r: 5,
          tip: true,
          title,
        },
      ),
    ],
  });
  const laws = filters.routing
    .map((law) => `${called(page, "law", law)} ${dash(page, law) === "0" ? "in full lines" : "dashed"}`)
    .join(", ");
  const where = `${called(page, "gpu", filters.gpu[0])}${Number(filters.n_gpus[0]) > 1 ? ` × ${filters.n_gpus[0]}` : ""}, ${called(page, "precision", filters.precision[0])}, ${called(page, "provision", filters.provision[0])}.`;
  const missing = names.filter((name) => !points.some((point) => point.model === name && point.context === context));
  if (missing.length > 0)
    notes.push(`${missing.join(", ")}: no sequence of ${short(context)} tokens, which is more than the model’s own maximum.`);
  return {
    charts: [
      figure(
        "Sequences at once against their context",
        `${where} Prophet: ${laws}; thin with hollow marks: all experts resident.`,
        lines,
      ),
      figure(
        `At ${short(context)} tokens`,
        `${where} Hollow: all experts resident; full: Prophet, a square under the power law.`,
        dots,
      ),
    ],
    notes,
    selection: { table, rows, names: table.names },
  };
}
