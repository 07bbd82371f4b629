// The rows behind a claim or a number of the paper: its query, every condition of it applied to the tables of this page.

/** @typedef {import("./page.js").Page} Page @typedef {import("./page.js").Query} Query @typedef {import("./page.js").Selection} Selection
 * @typedef {import("./columns.js").Value} Value @typedef {import("./columns.js").Table} Table */

/** The tables of the page by the names of the result files. @type {{ [file: string]: string }} */
const TABLES = {
  prophet_kv_extension_data: "sweep",
  concurrency: "concurrency",
  alternatives: "alternatives",
  observations: "observations",
};

/** The table that a query asks, or undefined where this page has none. @param {Page} page @param {Query} query @returns {Table | undefined} */
export function tableOfQuery(page, query) {
  const name = TABLES[query.table] ?? `results ${query.table}`;
  const engine = query.engine ?? String(page.opens.engine);
  if (`${name} ${engine}` in page.tables) return page.tables[`${name} ${engine}`];
  return query.engine ? undefined : page.tables[name];
}

/** How a query reads. @param {Query} query */
export function told(query) {
  const shown = Object.entries(query.where ?? {}).map(
    ([name, asked]) => `${name} ${typeof asked === "object" && !Array.isArray(asked) ? JSON.stringify(asked) : asked}`,
  );
  const where = shown.length > 0 ? `, where ${shown.join("; ")}` : "";
  const engine = query.engine ? `, under ${query.engine}` : "";
  return `${query.statistic ? `${query.statistic} of ` : ""}${query.value} in ${query.table}${where}${engine}`;
}

/** The columns of a table that an expression names. @param {Table} table @param {Query} query */
export function named(table, query) {
  return [...new Set(query.value.match(/[a-z][a-z0-9_]*/g) ?? [])].filter((name) => table.has(name));
}

/** What reads a column of a table, or of the catalogue of its models. @param {Page} page @param {Table} table @param {string} column @returns {((row: number) => Value) | null} */
function reader(page, table, column) {
  if (table.has(column)) return table.reader(column);
  if (!table.has("model")) return null;
  const model = table.reader("model");
  const known = Object.values(page.words.models)[0];
  if (!known || !(column in known)) return null;
  return (row) =>
    /** @type {Record<string, Value>} */ (/** @type {unknown} */ (page.words.models[String(model(row))]))?.[column] ?? null;
}

/** Whether a value is what a condition asks. @param {Value} value @param {unknown} asked */
function holds(value, asked) {
  if (asked === "all") return true;
  if (Array.isArray(asked)) return asked.includes(value);
  if (asked === null || typeof asked !== "object") return value === asked;
  const ends = /** @type {{ at_least?: number, at_most?: number }} */ (asked);
  return (
    typeof value === "number" &&
    value >= (ends.at_least ?? Number.NEGATIVE_INFINITY) &&
    value <= (ends.at_most ?? Number.POSITIVE_INFINITY)
  );
}

/**
 * The rows of a query, the columns that its value names first, the decisive one at the top for a minimum or a maximum.
 * @param {Page} page @param {Query} query @param {Value} law @param {string} kind claims or numbers
 * @returns {{ selection: Selection, left: string[] } | null} `left`: conditions on columns that this page does not have
 */
export function answered(page, query, law, kind) {
  const table = tableOfQuery(page, query);
  if (!table) return null;
  const values = named(table, query);
  if (values.length === 0) return null;
  const implied = Object.entries({ ...page.queries.defaults[kind], routing: law }).filter(([column]) => table.has(column));
  const where = { ...Object.fromEntries(implied), ...query.where };
  const tests = Object.entries(where).map(([column, asked]) => ({ column, asked, read: reader(page, table, column) }));
  const left = tests.filter((test) => test.read === null && test.asked !== "all").map((test) => test.column);
  const some = tests.filter((test) => test.read !== null && test.asked !== "all");
  const filters = some.filter(
    ({ column, asked }) => column in table.keys && (asked === null || typeof asked !== "object" || Array.isArray(asked)),
  );
  const first = Object.fromEntries(
    filters.map(({ column, asked }) => [column, Array.isArray(asked) ? asked : [/** @type {Value} */ (asked)]]),
  );
  const rows = table.select(first).filter((row) => some.every(({ asked, read }) => read === null || holds(read(row), asked)));
  if (query.statistic === "min" || query.statistic === "max") {
    const way = query.statistic === "min" ? 1 : -1;
    rows.sort((a, b) => {
      const [one, other] = [table.number(values[0], a), table.number(values[0], b)];
      return Number.isNaN(one) || Number.isNaN(other)
        ? Number(Number.isNaN(one)) - Number(Number.isNaN(other))
        : way * (one - other);
    });
  }
  const heads = table.names.filter((name) => name in where || name in table.keys).filter((name) => !values.includes(name));
  const names = [...heads, ...values, ...table.names.filter((name) => !heads.includes(name) && !values.includes(name))];
  return { selection: { table, rows, names }, left };
}
