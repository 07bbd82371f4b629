// What the views share: the results, the choices, and small pieces of the page.

import { Table } from "./columns.js";

/**
 * @typedef {import("./columns.js").Value} Value
 * @typedef {import("./columns.js").Filters} Filters
 * @typedef {import("./state.js").State} State
 * @typedef {{ models: { [id: string]: { name: string, family: string, experts: number, top_k: number, published_precision: string,
 *   max_context_tokens: number | null, total_params: number } }, gpus: { [id: string]: string },
 *   laws: { [id: string]: { label: string, dash: string | null } }, policies: { [id: string]: string },
 *   precisions: { [id: string]: string }, provisions: { [id: string]: string }, engines: { [id: string]: string } }} Words
 * @typedef {{ table: string, value: string, where: { [name: string]: unknown }, statistic?: string, engine?: string }} Query
 * @typedef {{ words: Words, baseline: string, opens: { [name: string]: any }, queries: { claims: { [id: string]: Query },
 *   numbers: { [id: string]: Query }, defaults: { [kind: string]: { [name: string]: unknown } } }, tables: { [name: string]: Table }, state: State, go: (change: Partial<State>) => void,
 *   link: (change: Partial<State>) => string, fresh: (change: Partial<State>) => string }} Page
 * @typedef {{ table: Table, rows: number[], names: string[] }} Selection
 * @typedef {{ charts: Element[], notes: string[], selection: Selection }} Shown
 */

/** @param {string} name @param {{ [attribute: string]: string | boolean | EventListener }} [attributes] @param {(Node | string)[]} children */
export function element(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (typeof value === "function") made.addEventListener(key, value);
    else if (value === true) made.setAttribute(key, "");
    else if (value !== false) made.setAttribute(key, String(value));
  }
  made.append(...children);
  return made;
}

/** A table of results under the engine that is chosen. @param {Page} page @param {string} name */
export function underEngine(page, name) {
  return page.tables[`${name} ${page.state.engine[0]}`];
}

/**
 * The values of a choice that a table has; where none is there, the nearest, and a sentence that says so.
 * @param {Page} page @param {Table} table @param {string} name @param {string} column @param {string[]} notes
 * @returns {Value[]}
 */
export function swept(page, table, name, column, notes) {
  const there = table.values(column);
  const wanted = page.state[name];
  const found = wanted.filter((value) => there.includes(value));
  if (found.length > 0) return found;
  const first = wanted[0];
  const nearest =
    typeof first === "number"
      ? [...there].sort((a, b) => Math.abs(Math.log(Number(a) / first)) - Math.abs(Math.log(Number(b) / first)))[0]
      : there[0];
  notes.push(`These results have no ${LABELS[name].toLowerCase()} ${wanted.join(", ")}; shown is ${nearest}.`);
  return [nearest];
}

/** The columns of the choices. @type {{ [choice: string]: string }} */
export const COLUMNS = {
  model: "model",
  gpu: "gpu",
  n_gpus: "n_gpus",
  batch: "batch_size",
  context: "context_tokens",
  precision: "precision",
  policy: "policy",
  law: "routing",
  provision: "provision",
};

/**
 * The filters of a chart: of some choices every value that is taken, of others the first.
 * @param {Page} page @param {Table} table @param {string[]} notes
 * @param {{ several: string[], single: string[] }} choices
 * @returns {Filters}
 */
export function filtersOf(page, table, notes, { several, single }) {
  const found = [...several, ...single].map((name) => [COLUMNS[name], swept(page, table, name, COLUMNS[name], notes)]);
  return Object.fromEntries(found.map(([column, values], at) => [column, at < several.length ? values : values.slice(0, 1)]));
}

/** @type {{ [name: string]: string }} */
export const LABELS = {
  model: "Models",
  gpu: "GPU",
  n_gpus: "Number of GPUs",
  batch: "Batch size",
  context: "Context (tokens)",
  precision: "Precisions",
  policy: "Policies",
  law: "Routing laws",
  provision: "Pools are sized for",
  engine: "Engine",
};

/** What a value of a choice is called. @param {Page} page @param {string} name @param {Value} value @returns {string} */
export function called(page, name, value) {
  const id = String(value);
  if (name === "model") return page.words.models[id]?.name ?? id;
  if (name === "gpu") return page.words.gpus[id] ?? id;
  if (name === "policy") return page.words.policies[id] ?? id;
  if (name === "precision") return page.words.precisions[id] ?? id;
  if (name === "provision") return page.words.provisions[id] ?? id;
  if (name === "law") return page.words.laws[id]?.label ?? id;
  if (name === "engine") return page.words.engines[id] ?? id;
  return typeof value === "number" ? value.toLocaleString("en-US") : id;
}

/** The width that a chart may take, at most so many pixels. @param {number} most */
export const room = (most) => Math.max(300, Math.min(most, document.documentElement.clientWidth - 48));

/** Colours that are told apart on white and on black; the n-th model always has the n-th. */
const COLOURS = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#b8860b", "#56a4d8", "#8c6bb1", "#c44e52", "#6b8e23", "#808080"];

/** The colours of values, in their order. @param {Value[]} values */
export const colours = (values) => ({ domain: values, range: values.map((_, at) => COLOURS[at % COLOURS.length]) });

/** How the lines of a law are broken. @param {Page} page @param {Value} law */
export function dash(page, law) {
  const laws = Object.keys(page.words.laws);
  return laws.indexOf(String(law)) === 0 ? "5 3" : laws.indexOf(String(law)) === 1 ? "0" : "1 3";
}

/** A drawing is one picture with one description; its parts have none. @param {Element} drawn @param {string} told */
export function described(drawn, told) {
  for (const svg of drawn.matches("svg") ? [drawn] : drawn.querySelectorAll("svg")) {
    svg.setAttribute("role", "img");
    svg.setAttribute("aria-label", told);
    for (const part of svg.querySelectorAll("[aria-label], [aria-hidden]")) {
      part.removeAttribute("aria-label");
      part.removeAttribute("aria-hidden");
    }
  }
}

/** A chart with a title. @param {string} title @param {string} told @param {Element} drawn */
export function figure(title, told, drawn) {
  for (const svg of drawn.matches("svg") ? [drawn] : drawn.querySelectorAll("svg:not([role])"))
    described(svg, `${title}. ${told}`);
  const text = element("figcaption", {}, element("h2", {}, title), element("p", {}, told));
  return element("figure", { tabindex: "0" }, text, drawn);
}
