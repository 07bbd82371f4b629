// The claims of the source document with their verdicts, and the numbers that paper, guide and README print; each leads to its rows.

import { called, element } from "./page.js";
import { answered, told } from "./query.js";
import { words } from "./text.js";

/** @typedef {import("./page.js").Page} Page @typedef {import("./page.js").Query} Query @typedef {import("./page.js").Selection} Selection
 * @typedef {import("./columns.js").Value} Value
 * @typedef {{ selection: Selection, columns: string[], cells: { [name: string]: (row: number) => Node | string }, caption: string,
 *   searched: (row: number) => string }} Listed
 */

const CLAIM = ["claim", "section", "quote", "routing", "claimed", "computed", "verdict", "profile_verdict", "reason", "why"];
const NUMBER = ["number", "text", "unit", "routing"];

/** Leads to the rows of a query, where this page has them. @param {Page} page @param {string} kind @param {string} name @param {Value} law @returns {Node | string} */
function source(page, kind, name, law) {
  const query = page.queries[kind === "claims" ? "claims" : "numbers"][name];
  if (!query) return "";
  const found = answered(page, query, law, kind);
  if (!found || found.selection.rows.length === 0) return element("span", { title: told(query), class: "quiet" }, query.table);
  const from = kind === "claims" ? `claims:${name}:${law}` : `numbers:${name}`;
  const count = found.selection.rows.length;
  return element(
    "a",
    { href: page.fresh({ view: ["rows"], from: [from] }), title: told(query) },
    count === 1 ? "its row" : `${count.toLocaleString("en-US")} rows`,
  );
}

/** @param {Page} page @returns {Listed} */
export function claims(page) {
  const table = page.tables.claims;
  const verdicts = new Set(page.state.verdict);
  const laws = new Set(page.state.law);
  const rows = [...Array(table.rows).keys()].filter(
    (row) => verdicts.has(table.get("verdict", row)) && laws.has(table.get("routing", row)),
  );
  const text = (/** @type {string} */ name, /** @type {number} */ row) => String(table.get(name, row) ?? "");
  return {
    selection: { table, rows, names: CLAIM },
    columns: ["quote", "routing", "claimed", "computed", "verdict", "reason"],
    caption: "Claims of the source document",
    searched: (row) => CLAIM.map((name) => text(name, row)).join(" "),
    cells: {
      quote: (row) =>
        element(
          "div",
          {},
          element("div", {}, text("quote", row)),
          element(
            "div",
            { class: "quiet" },
            `${text("section", row)} · `,
            element("code", {}, text("claim", row)),
            " ",
            source(page, "claims", text("claim", row), table.get("routing", row)),
          ),
        ),
      routing: (row) => called(page, "law", table.get("routing", row)),
      verdict: (row) => {
        const beside = text("profile_verdict", row);
        const changed = beside !== "" && beside !== text("verdict", row);
        return element(
          "div",
          {},
          element("span", { class: `verdict ${text("verdict", row)}` }, words(text("verdict", row))),
          changed ? element("div", { class: "quiet" }, `under the engine’s profile: ${words(beside)}`) : "",
        );
      },
      reason: (row) => element("div", {}, text("reason", row), element("div", { class: "quiet" }, text("why", row))),
    },
  };
}

/** @param {Page} page @returns {Listed} */
export function numbers(page) {
  const table = page.tables.numbers;
  const text = (/** @type {string} */ name, /** @type {number} */ row) => String(table.get(name, row) ?? "");
  const queryOf = (/** @type {number} */ row) => page.queries.numbers[text("number", row)];
  const printed = (/** @type {number} */ row) =>
    `${text("text", row)}${/^[×%]/.test(text("unit", row)) ? "" : " "}${text("unit", row)}`.trim();
  return {
    selection: { table, rows: [...Array(table.rows).keys()], names: NUMBER },
    columns: ["number", "text", "routing"],
    caption: "Numbers of paper, guide and README",
    searched: (row) => `${text("number", row)} ${printed(row)} ${queryOf(row) ? told(queryOf(row)) : ""}`,
    cells: {
      number: (row) => {
        const query = queryOf(row);
        const name = text("number", row);
        const link = source(page, "numbers", name, table.get("routing", row));
        return element(
          "div",
          {},
          element("code", {}, name),
          " ",
          link,
          element(
            "div",
            { class: "quiet" },
            query ? told(query) : "reported by others: its source stands in config/numbers.yaml",
          ),
        );
      },
      text: printed,
      routing: (row) => {
        const query = queryOf(row);
        const law = query?.where?.routing ?? (query ? table.get("routing", row) : null);
        return typeof law === "string" && law in page.words.laws ? called(page, "law", law) : "";
      },
    },
  };
}

/** What an address of the form claims:ID:LAW or numbers:NAME asks for. @param {Page} page @param {string} from */
export function behind(page, from) {
  const [kind, name, law] = from.split(":");
  const query = kind === "claims" || kind === "numbers" ? page.queries[kind][name] : undefined;
  const table = kind === "claims" ? page.tables.claims : page.tables.numbers;
  if (!query) return null;
  const row = [...Array(table.rows).keys()].find(
    (at) =>
      table.get(kind === "claims" ? "claim" : "number", at) === name && (law === undefined || table.get("routing", at) === law),
  );
  if (row === undefined) return null;
  const found = answered(page, query, table.get("routing", row), kind);
  if (!found) return null;
  const said =
    kind === "claims"
      ? `computed ${table.get("computed", row)}`
      : `printed as ${table.get("text", row)} ${table.get("unit", row) ?? ""}`.trim();
  const notes = [`${name}, ${said}: ${told(query)}.`];
  if (query.statistic && query.statistic !== "min" && query.statistic !== "max")
    notes.push(`It is the ${query.statistic} of these rows.`);
  if (found.left.length > 0) notes.push(`Not applied, for this page does not have it: ${found.left.join(", ")}.`);
  return { selection: found.selection, notes };
}
