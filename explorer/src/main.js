// The explorer: reads the address, draws the view that it names, writes the address when a choice changes.

import { batches } from "./batches.js";
import { unpack } from "./columns.js";
import { concurrency } from "./concurrency.js";
import { controls } from "./controls.js";
import { savePicture, saveRows } from "./download.js";
import { latency } from "./latency.js";
import { behind, claims, numbers } from "./ledger.js";
import { memory } from "./memory.js";
import { observed } from "./observed.js";
import { COLUMNS, element } from "./page.js";
import { narrowed, tableOf } from "./rows.js";
import { fragmentOf, parsed } from "./state.js";

/** @typedef {import("./page.js").Page} Page @typedef {import("./page.js").Shown} Shown @typedef {import("./page.js").Selection} Selection
 * @typedef {import("./state.js").Choices} Choices @typedef {import("./state.js").State} State @typedef {import("./columns.js").Value} Value */

const POINT = ["gpu", "n_gpus", "batch", "precision", "policy", "law", "provision", "engine"];
/** @type {{ [view: string]: { title: string, choices: string[], single?: string[], charts?: (page: Page) => Shown }}} */
const VIEWS = {
  memory: { title: "Memory", choices: ["model", ...POINT], charts: memory },
  batches: {
    title: "Batch size",
    choices: ["model", ...POINT.filter((name) => name !== "policy")],
    single: ["precision"],
    charts: batches,
  },
  concurrency: {
    title: "Sequences at once",
    choices: ["model", "gpu", "n_gpus", "context", ...POINT.slice(3)],
    single: ["precision"],
    charts: concurrency,
  },
  time: {
    title: "Memory and time",
    choices: ["model", ...POINT.filter((name) => name !== "engine")],
    single: ["law"],
    charts: latency,
  },
  measured: { title: "Measured", choices: ["model"], charts: observed },
  rows: { title: "Rows", choices: ["table", "q", "model", "gpu", "n_gpus", "batch", "context", ...POINT.slice(3)] },
  claims: { title: "Claims", choices: ["q", "verdict", "law"] },
  numbers: { title: "Numbers", choices: ["q"] },
};
const VERDICTS = ["reproduced", "not_reproduced", "undefined", "not_testable"];
const RESULTS = ["sweep", "concurrency", "alternatives", "observations"];

/** @param {string} id @returns {HTMLElement} */
function part(id) {
  const found = document.getElementById(id);
  if (!found) throw new Error(`no #${id} in the page`);
  return found;
}

/** Every value that a choice can have: those of any table. @param {{ [name: string]: import("./columns.js").Table }} tables @param {string} column @returns {Value[]} */
function everywhere(tables, column) {
  const found = new Set(
    Object.entries(tables)
      .filter(([name]) => /^(sweep|concurrency|alternatives)/.test(name))
      .flatMap(([, table]) => (table.has(column) ? table.values(column) : [])),
  );
  const values = [...found];
  return typeof values[0] === "number" ? values.sort((a, b) => Number(a) - Number(b)) : values;
}

/** What can be chosen, and what is if the address says nothing. @param {any} header @param {{ [name: string]: import("./columns.js").Table }} tables @param {string} view @returns {Choices} */
function choicesMade(header, tables, view) {
  const { opens, words } = header;
  /** @param {Value[]} values @param {string} among */
  const inOrder = (values, among) => Object.keys(words[among]).filter((name) => values.includes(name));
  const there = Object.fromEntries(Object.entries(COLUMNS).map(([name, column]) => [name, everywhere(tables, column)]));
  const precisions = inOrder(there.precision, "precisions");
  const policies = Object.keys(words.policies).filter((name) => there.policy.includes(name));
  const every = view === "rows";
  return {
    view: { allowed: Object.keys(VIEWS), fallback: ["memory"] },
    table: { allowed: [...RESULTS, ...Object.keys(tables).filter((name) => name.startsWith("results "))], fallback: ["sweep"] },
    model: { allowed: inOrder(there.model, "models"), fallback: every ? inOrder(there.model, "models") : opens.models },
    gpu: { allowed: inOrder(there.gpu, "gpus"), fallback: [opens.gpu] },
    n_gpus: { allowed: there.n_gpus, fallback: [1] },
    batch: { allowed: there.batch, fallback: [opens.batch_size] },
    context: { allowed: there.context, fallback: [opens.context_tokens] },
    precision: { allowed: precisions, fallback: view === "time" ? precisions : [opens.precision] },
    policy: { allowed: policies, fallback: policies },
    law: { allowed: inOrder(there.law, "laws"), fallback: view === "time" ? [opens.routing] : inOrder(there.law, "laws") },
    provision: { allowed: inOrder(there.provision, "provisions"), fallback: [opens.provision] },
    engine: { allowed: Object.keys(words.engines).filter((name) => `sweep ${name}` in tables), fallback: [opens.engine] },
    verdict: { allowed: VERDICTS, fallback: VERDICTS },
    q: { allowed: null, fallback: [""] },
    from: { allowed: null, fallback: [""] },
    sort: { allowed: null, fallback: [""] },
    theme: { allowed: ["auto", "light", "dark"], fallback: ["auto"] },
  };
}

/** @type {Map<string, Choices>} */
const MADE = new Map();

/** The choices of a view, made once. @param {any} header @param {{ [name: string]: import("./columns.js").Table }} tables @param {string} view */
function choicesOf(header, tables, view) {
  const made = MADE.get(view) ?? choicesMade(header, tables, view);
  MADE.set(view, made);
  return made;
}

/** The rows that a view of rows shows. @param {Page} page @returns {Selection} */
function rowsOf(page) {
  const asked = String(page.state.table[0]);
  const table = page.tables[asked] ?? page.tables[`${asked} ${page.state.engine[0]}`];
  const filters = Object.entries(COLUMNS)
    .filter(([, column]) => table.has(column))
    .map(([name, column]) => [column, page.state[name]]);
  const rows =
    asked === "observations"
      ? [...Array(table.rows).keys()].filter((row) => page.state.model.includes(/** @type {Value} */ (table.get("model", row))))
      : table.select(Object.fromEntries(filters));
  return { table, rows, names: table.names };
}

/** What a view shows: charts, notes, a table of rows. @param {Page} page @returns {{ charts: Element[], notes: string[], selection: Selection, table: Element, searched?: (row: number) => string }} */
function shownOf(page) {
  const view = String(page.state.view[0]);
  const { charts } = VIEWS[view];
  if (charts) {
    const shown = charts(page);
    const how = { caption: "The rows behind this view" };
    const table = element(
      "details",
      {
        id: "behind",
        open: page.opens.unfolded.has("behind"),
        toggle: (event) =>
          /** @type {HTMLDetailsElement} */ (event.target).open
            ? page.opens.unfolded.add("behind")
            : page.opens.unfolded.delete("behind"),
      },
      element("summary", {}, how.caption),
      tableOf(page, shown.selection, how),
    );
    return { ...shown, table };
  }
  if (view === "rows") {
    const from = String(page.state.from[0]);
    const asked = from === "" ? null : behind(page, from);
    const notes = from !== "" && asked === null ? [`The address has from “${from}”, which leads to no rows of this page.`] : [];
    const selection = asked?.selection ?? rowsOf(page);
    const table = tableOf(page, selection, { caption: asked ? `The rows behind ${from.split(":")[1]}` : "Rows of the results" });
    return { charts: [], notes: [...notes, ...(asked?.notes ?? [])], selection, table };
  }
  const { selection, ...how } = view === "claims" ? claims(page) : numbers(page);
  return { charts: [], notes: [], selection, table: tableOf(page, selection, how), searched: how.searched };
}

/** The choices of a view; in a view of rows those of its table, and none where a query chooses. @param {Page} page @param {string} name */
function choosing(page, name) {
  const { choices } = VIEWS[name];
  if (name !== "rows") return choices;
  if (page.state.from[0] !== "") return ["q"];
  const { table } = rowsOf(page);
  const asked = String(page.state.table[0]);
  const own =
    asked === "observations"
      ? ["table", "q", "model"]
      : choices.filter((choice) => !(choice in COLUMNS) || table.has(COLUMNS[choice]));
  return own.filter((choice) => choice !== "engine" || !(asked in page.tables));
}

/** What is wrong with the order that the address asks for. @param {Page} page @param {Selection} selection */
function unsorted(page, selection) {
  const sort = String(page.state.sort[0]);
  const known = sort === "" || selection.table.has(sort.replace(/^-/, ""));
  return known
    ? []
    : [`The address has sort “${sort}”, which is no column of these rows. They stand in the order of the results.`];
}

/** Reads the address and draws what it asks for. */
function draw(
  /** @type {any} */ header,
  /** @type {{ [name: string]: import("./columns.js").Table }} */ tables,
  /** @type {Set<string>} */ unfolded,
) {
  const view = new URLSearchParams(location.hash.slice(1)).get("view") ?? "memory";
  const choices = choicesOf(header, tables, view in VIEWS ? view : "memory");
  const { state, notes } = parsed(location.hash, choices);
  const given = new Set(new URLSearchParams(location.hash.slice(1)).keys());
  /** @param {Partial<State>} change */
  const link = (change) => {
    const next = /** @type {State} */ ({ ...state, ...change });
    const target = choicesOf(header, tables, String(next.view[0]));
    // What the address does not name is what the view that it leads to usually shows.
    for (const name of Object.keys(target)) if (!given.has(name) && !(name in change)) next[name] = target[name].fallback;
    return `#${fragmentOf(next, target)}`;
  };
  /** A view at its usual choices, but for these. @param {Partial<State>} change */
  const fresh = (change) => {
    const target = choicesOf(header, tables, String(change.view?.[0]));
    const usual = Object.fromEntries(Object.entries(target).map(([name, choice]) => [name, choice.fallback]));
    return `#${fragmentOf(/** @type {State} */ ({ ...usual, theme: state.theme, ...change }), target)}`;
  };
  /** @type {Page} */
  const page = {
    ...header,
    tables,
    state,
    opens: { ...header.opens, choices, unfolded },
    link,
    fresh,
    go: (change) => {
      location.hash = link(change);
    },
  };
  show(page, choices, notes, unfolded);
}

/** @param {Page} page @param {Choices} choices @param {string[]} notes @param {Set<string>} unfolded */
function show(page, choices, notes, unfolded) {
  const name = String(page.state.view[0]);
  const view = VIEWS[name];
  const focus = document.activeElement?.id;
  const scrolled = document.querySelector(".scrolls")?.scrollLeft ?? 0;
  document.documentElement.dataset.theme = String(page.state.theme[0]);
  document.title = `${view.title} – Prophet explorer`;
  const links = Object.entries(VIEWS).map(([id, own]) =>
    element(
      "a",
      {
        id: `view-${id}`,
        href: page.link({ view: [id], q: [""], sort: [""], from: [""] }),
        ...(id === name ? { "aria-current": "page" } : {}),
      },
      own.title,
    ),
  );
  part("views").replaceChildren(...links);
  part("choices").replaceChildren(...controls(page, choices, choosing(page, name), unfolded, view.single ?? []));
  const started = performance.now();
  const shown = shownOf(page);
  part("notes").replaceChildren(
    ...[...notes, ...shown.notes, ...unsorted(page, shown.selection)].map((note) => element("p", {}, note)),
  );
  const selection = narrowed(page, shown.selection, shown.searched);
  const save = [element("button", { type: "button", id: "save-rows", click: () => saveRows(selection, name) }, "Rows as CSV")];
  if (shown.charts.length > 0)
    save.push(
      element("button", { type: "button", id: "save-picture", click: () => savePicture(shown.charts, name) }, "Charts as SVG"),
    );
  save.push(
    element(
      "button",
      {
        type: "button",
        id: "restart",
        click: () => {
          location.hash = `#view=${name}`;
        },
      },
      "Usual choices",
    ),
  );
  part("saves").replaceChildren(...save);
  part("shown").replaceChildren(...shown.charts, shown.table);
  part("said").textContent = `${view.title}: ${selection.rows.length.toLocaleString("en-US")} rows.`;
  document.documentElement.dataset.drawn = String(Math.round(performance.now() - started));
  const scrolls = document.querySelector(".scrolls");
  if (scrolls) scrolls.scrollLeft = scrolled;
  if (focus) document.getElementById(focus)?.focus({ preventScroll: true });
}

/** The button that goes through the themes. */
function themes() {
  const order = ["auto", "light", "dark"];
  part("theme").addEventListener("click", () => {
    const now = new URLSearchParams(location.hash.slice(1));
    now.set("theme", order[(order.indexOf(now.get("theme") ?? "auto") + 1) % order.length]);
    location.hash = now.toString();
  });
}

/** Boxes that are unfolded close by Escape, and by a click beside them. @param {Set<string>} unfolded */
function closing(unfolded) {
  /** @param {(details: HTMLDetailsElement) => boolean} which */
  const close = (which) => {
    for (const details of /** @type {NodeListOf<HTMLDetailsElement>} */ (document.querySelectorAll("details.choice[open]"))) {
      if (!which(details)) continue;
      details.open = false;
      unfolded.delete(details.id.replace("choose-", ""));
      if (details.contains(document.activeElement)) details.querySelector("summary")?.focus();
    }
  };
  addEventListener("keydown", (event) => event.key === "Escape" && close(() => true));
  addEventListener("click", (event) => close((details) => !event.composedPath().includes(details)));
}

/** Draws again when the window has another width, once in a frame: charts take the room that there is. @param {() => void} again */
function following(again) {
  let width = document.documentElement.clientWidth;
  let waits = false;
  addEventListener("resize", () => {
    if (waits) return;
    waits = true;
    requestAnimationFrame(() => {
      waits = false;
      if (document.documentElement.clientWidth === width) return;
      width = document.documentElement.clientWidth;
      again();
    });
  });
}

async function start() {
  const letters = atob((part("packed").textContent ?? "").trim());
  const packed = new Uint8Array(letters.length);
  for (let at = 0; at < letters.length; at++) packed[at] = letters.charCodeAt(at);
  const { header, tables } = await unpack(packed);
  /** @type {Set<string>} */
  const unfolded = new Set();
  addEventListener("hashchange", () => draw(header, tables, unfolded));
  following(() => draw(header, tables, unfolded));
  themes();
  closing(unfolded);
  draw(header, tables, unfolded);
  // When the chart has been painted, not when its elements are there.
  requestAnimationFrame(() =>
    setTimeout(() => {
      performance.mark("first-chart");
      document.documentElement.dataset.ready = "yes";
    }),
  );
}

start().catch((problem) => {
  part("notes").replaceChildren(element("p", {}, `This page could not be drawn: ${problem.message}`));
  throw problem;
});
