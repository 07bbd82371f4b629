// What engines printed, beside what the memory model predicts.

import * as Plot from "@observablehq/plot";
import { colours, described, element, figure } from "./page.js";
import { brief, short, words } from "./text.js";

/** @typedef {import("./page.js").Page} Page @typedef {import("./page.js").Shown} Shown */

const GIB = 2 ** 30;

/** @param {{reason: unknown, unexplained: unknown}} point @returns {string} */
function saidOf(point) {
  if (point.reason) return `\n${point.reason}`;
  return point.unexplained ? `\nnot explained: ${point.unexplained}` : "";
}

/** @param {Page} page @returns {Shown} */
export function observed(page) {
  const table = page.tables.observations;
  const every = [...Array(table.rows).keys()];
  const rows = every.filter((row) => !Number.isNaN(table.number("predicted", row)));
  const chosen = new Set(page.state.model);
  const some = rows.some((row) => chosen.has(table.get("model", row)));
  const engines = [...new Set(rows.map((row) => String(table.get("engine", row)).split(" ")[0]))].sort();
  const points = rows.map((row) => {
    const component = String(table.get("component", row));
    const scale =
      /tokens|blocks/.test(component) || component === "max_concurrency" ? 1 : component === "kv_bytes_per_token" ? 1024 : GIB;
    return {
      component,
      engine: String(table.get("engine", row)).split(" ")[0],
      run: String(table.get("run", row)),
      measured: table.number("measured", row) / scale,
      predicted: table.number("predicted", row) / scale,
      error: table.number("error_fraction", row),
      reason: table.get("reason", row),
      unexplained: table.get("unexplained", row),
      shown: chosen.has(table.get("model", row)),
      unit: scale === GIB ? "GiB" : scale === 1024 ? "KiB" : "",
    };
  });
  const color = colours(engines);
  const grid = element("div", { class: "panels" });
  for (const component of new Set(points.map((point) => point.component))) {
    const own = points.filter((point) => point.component === component && point.measured > 0 && point.predicted > 0);
    if (own.length === 0) continue;
    const ends = own.flatMap((point) => [point.measured, point.predicted]);
    const line = [Math.min(...ends), Math.max(...ends)].map((end) => ({ measured: end, predicted: end }));
    const unit = own[0].unit ? ` (${own[0].unit})` : "";
    const look = {
      x: "measured",
      y: "predicted",
      stroke: "engine",
      opacity: (/** @type {(typeof points)[0]} */ point) => (point.shown || !some ? 1 : 0.5),
      r: 3.5,
      tip: true,
      title: (/** @type {(typeof points)[0]} */ point) =>
        `${point.run}\nmeasured ${short(point.measured)}, predicted ${short(point.predicted)} ${point.unit}\n${point.error >= 0 ? "+" : ""}${short(100 * point.error)} %${saidOf(point)}`,
    };
    const drawn = Plot.plot({
      width: 300,
      inset: 8,
      height: 270,
      marginLeft: 48,
      title: element("h3", {}, `${words(component)}${unit}`),
      x: { type: "log", label: "measured", tickFormat: brief, ticks: 3 },
      y: { type: "log", label: "predicted", tickFormat: brief, ticks: 3, grid: true },
      color,
      marks: [
        Plot.line(line, { x: "measured", y: "predicted" }),
        Plot.dot(
          own.filter((point) => !point.reason && !point.unexplained),
          { ...look, fill: "engine" },
        ),
        Plot.dot(
          own.filter((point) => point.unexplained),
          { ...look, symbol: "times", strokeWidth: 2 },
        ),
        Plot.dot(
          own.filter((point) => point.reason),
          look,
        ),
      ],
    });
    described(drawn, `${words(component)}: predicted against measured, ${own.length} figures`);
    grid.append(drawn);
  }
  const keys = Plot.legend({ color });
  const told = `${rows.length} figures that engines printed in public and that their sources determine. On the line prediction and measurement agree. Hollow: differs for a known reason. Cross: differs, and nobody has said why.${some ? " Pale: models that are not chosen." : ""}`;
  const frame = figure("Predicted against measured", told, grid);
  if (keys) frame.insertBefore(keys, grid);
  return { charts: [frame], notes: [], selection: { table, rows, names: table.names } };
}
