// A table of rows: sorted by a column, searched by words, a hundred at a time.

import { element } from "./page.js";
import { shown, words } from "./text.js";

/** @typedef {import("./page.js").Page} Page @typedef {import("./page.js").Selection} Selection @typedef {import("./columns.js").Value} Value */

const STEP = 100; // rows that are drawn at once
const LONG = 40; // letters from which a text gets a wide column

/** Whether a row has every word that is looked for. @param {Value[]} values @param {string} query */
export function matches(values, query) {
  const text = values
    .map((value) => String(value ?? ""))
    .join(" ")
    .toLowerCase();
  return query
    .toLowerCase()
    .replace(/(\d)x\b/g, "$1×")
    .split(/\s+/)
    .every((word) => text.includes(word));
}

/** How a cell is set: numbers to the right, names whole, sentences with room. @param {Value} value @returns {{ [attribute: string]: string }} */
function kindOf(value) {
  if (typeof value === "number") return { class: "number", title: String(value) };
  if (typeof value !== "string") return {};
  return value.includes(" ") ? (value.length > LONG ? { class: "long" } : {}) : { class: "word" };
}

/** Rows in the order of a column; those without a value come last. @param {Selection} selection @param {string} sort with - for the other way */
export function ordered({ table, rows }, sort) {
  const name = sort.replace(/^-/, "");
  if (!name || !table.has(name)) return rows;
  const read = table.reader(name);
  const way = sort.startsWith("-") ? -1 : 1;
  return [...rows].sort((a, b) => {
    const [one, other] = [read(a), read(b)];
    if (one === null || other === null) return one === other ? 0 : one === null ? 1 : -1;
    if (typeof one === "number" && typeof other === "number") return way * (one - other);
    return way * String(one).localeCompare(String(other), "en");
  });
}

/**
 * The rows that are left of a selection by the words and in the order that the address has.
 * @param {Page} page @param {Selection} selection @param {(row: number) => string} [searched] what of a row is searched, if not its values
 */
export function narrowed(page, selection, searched) {
  const query = String(page.state.q[0] ?? "").trim();
  const readers = selection.names.map((name) => selection.table.reader(name));
  const values = searched
    ? (/** @type {number} */ row) => [searched(row)]
    : (/** @type {number} */ row) => readers.map((read) => read(row));
  const rows = query === "" ? selection.rows : selection.rows.filter((row) => matches(values(row), query));
  return { ...selection, rows: ordered({ ...selection, rows }, String(page.state.sort[0] ?? "")) };
}

/**
 * @param {Page} page @param {Selection} selection @param {{ caption: string, columns?: string[], cells?: { [name: string]: (row: number) => Node | string }, searched?: (row: number) => string }} how
 * @returns {Element}
 */
export function tableOf(page, selection, how) {
  const { table, rows } = narrowed(page, selection, how.searched);
  const names = how.columns ?? selection.names;
  const sort = String(page.state.sort[0] ?? "");
  const readers = names.map((name) => table.reader(name));
  const heads = names.map((name) => {
    const way = sort === name ? "ascending" : sort === `-${name}` ? "descending" : "none";
    const next = sort === name ? `-${name}` : name;
    const button = element(
      "button",
      { type: "button", id: `sort-${name}`, click: () => page.go({ sort: [next] }) },
      words(name),
      element("span", { "aria-hidden": "true" }, way === "ascending" ? " ▲" : way === "descending" ? " ▼" : ""),
    );
    return element("th", { scope: "col", "aria-sort": way }, button);
  });
  const body = element("tbody");
  let drawn = 0;
  const more = element("button", { type: "button", class: "more", id: "more", click: () => draw() });
  function draw() {
    for (const row of rows.slice(drawn, drawn + STEP)) {
      const cells = names.map((name, at) => {
        const value = readers[at](row);
        const made = how.cells?.[name]?.(row) ?? shown(value, name);
        return element("td", { ...kindOf(value), "data-head": words(name) }, made);
      });
      body.append(element("tr", {}, ...cells));
    }
    drawn = Math.min(rows.length, drawn + STEP);
    more.textContent = `Show ${Math.min(STEP, rows.length - drawn)} more of ${(rows.length - drawn).toLocaleString("en-US")}`;
    more.toggleAttribute("hidden", drawn >= rows.length);
  }
  draw();
  const caption = element(
    "caption",
    {},
    `${how.caption}: ${rows.length.toLocaleString("en-US")} ${rows.length === 1 ? "row" : "rows"}${rows.length === 0 ? ": none has these words" : ""}`,
  );
  const held = element(
    "div",
    { class: "scrolls", tabindex: "0", role: "region", "aria-label": how.caption },
    element("table", {}, caption, element("thead", {}, element("tr", {}, ...heads)), body),
  );
  return element("div", { class: how.cells ? "cards" : "" }, held, more);
}
