// The choices of a view: lists that open, boxes to tick, a field for words.

import { called, element, LABELS } from "./page.js";
import { words } from "./text.js";

/** @typedef {import("./page.js").Page} Page @typedef {import("./columns.js").Value} Value @typedef {import("./state.js").Choices} Choices */

/** Choices of which a view can show several values at once. */
const SEVERAL = new Set(["model", "precision", "policy", "law", "verdict"]);
/** Choices whose every value a table of rows can show at once. */
const ALL = "all";

/** A list that opens, for one value; in a view of rows, for all or several. @param {Page} page @param {string} name @param {Value[]} allowed @param {boolean} whole */
function list(page, name, allowed, whole) {
  const now = page.state[name];
  const id = `choose-${name}`;
  const options = allowed.map((value) =>
    element("option", { value: String(value), selected: now.length === 1 && now[0] === value }, called(page, name, value)),
  );
  if (whole) options.unshift(element("option", { value: ALL, selected: now.length === allowed.length }, "all"));
  if (now.length > 1 && !(whole && now.length === allowed.length)) {
    options.unshift(
      element("option", { value: now.join(","), selected: true }, now.map((value) => called(page, name, value)).join(", ")),
    );
  }
  const change = (/** @type {Event} */ event) => {
    const text = /** @type {HTMLSelectElement} */ (event.target).value;
    page.go({ [name]: text === ALL ? allowed : allowed.filter((value) => text.split(",").includes(String(value))) });
  };
  return element(
    "div",
    { class: "choice" },
    element("label", { for: id }, LABELS[name]),
    element("select", { id, change }, ...options),
  );
}

/** Boxes to tick, folded away. @param {Page} page @param {string} name @param {Value[]} allowed @param {Set<string>} open */
function boxes(page, name, allowed, open) {
  const now = new Set(page.state[name]);
  const label = LABELS[name] ?? "Verdicts";
  const some = allowed.filter((value) => now.has(value));
  const say = (/** @type {Value} */ value) => (name === "verdict" ? words(String(value)) : called(page, name, value));
  const summary =
    some.length === allowed.length
      ? "all"
      : some.length > 2
        ? `${some.length} of ${allowed.length}`
        : some.map(say).join(", ") || "none";
  const ticks = allowed.map((value) => {
    const change = () => {
      const next = allowed.filter((other) => (other === value ? !now.has(other) : now.has(other)));
      if (next.length > 0) page.go({ [name]: next });
      else page.go({});
    };
    const box = element("input", { type: "checkbox", id: `${name}-${value}`, checked: now.has(value), change });
    return element("label", { for: `${name}-${value}` }, box, " ", say(value));
  });
  const whole = element("button", { type: "button", id: `${name}-all`, click: () => page.go({ [name]: allowed }) }, "all");
  const usual = element(
    "button",
    { type: "button", id: `${name}-usual`, click: () => page.go({ [name]: page.opens.choices[name].fallback }) },
    "usual",
  );
  const toggle = (/** @type {Event} */ event) =>
    /** @type {HTMLDetailsElement} */ (event.target).open ? open.add(name) : open.delete(name);
  return element(
    "details",
    { class: "choice", id: `choose-${name}`, open: open.has(name), toggle },
    element("summary", {}, element("span", {}, label), element("strong", {}, summary)),
    element(
      "fieldset",
      {},
      element("legend", { class: "hidden" }, label),
      ...ticks,
      element("div", { class: "buttons" }, whole, usual),
    ),
  );
}

/** A field for words that rows have to have. @param {Page} page */
function search(page) {
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let waiting;
  const input = (/** @type {Event} */ event) => {
    clearTimeout(waiting);
    const text = /** @type {HTMLInputElement} */ (event.target).value;
    waiting = setTimeout(() => page.go({ q: [text] }), 200);
  };
  const field = element("input", { type: "search", id: "choose-q", value: String(page.state.q[0] ?? ""), input });
  return element("div", { class: "choice" }, element("label", { for: "choose-q" }, "Words in a row"), field);
}

/** Which results a table of rows shows. @param {Page} page @param {Value[]} allowed */
function tables(page, allowed) {
  const names = /** @type {{ [name: string]: string }} */ ({
    sweep: "memory (the long table)",
    concurrency: "sequences at once",
    alternatives: "alternatives and their time",
    observations: "engines’ figures",
  });
  const options = allowed.map((value) =>
    element(
      "option",
      { value: String(value), selected: page.state.table[0] === value },
      names[String(value)] ?? words(String(value).replace("results ", "")),
    ),
  );
  const change = (/** @type {Event} */ event) =>
    page.go({ table: [/** @type {HTMLSelectElement} */ (event.target).value], sort: [] });
  return element(
    "div",
    { class: "choice" },
    element("label", { for: "choose-table" }, "Results"),
    element("select", { id: "choose-table", change }, ...options),
  );
}

/**
 * @param {Page} page @param {Choices} choices @param {string[]} names in their order
 * @param {Set<string>} open which boxes are unfolded
 * @param {string[]} single of which a view draws one value alone
 * @returns {Element[]}
 */
export function controls(page, choices, names, open, single) {
  const rows = page.state.view[0] === "rows";
  return names.map((name) => {
    const allowed = choices[name].allowed ?? [];
    if (name === "q") return search(page);
    if (name === "table") return tables(page, allowed);
    if (SEVERAL.has(name) && !single.includes(name)) return boxes(page, name, allowed, open);
    return list(page, name, allowed, rows && name !== "engine");
  });
}
