// Numbers and names as people read them, and rows as CSV.

/** @typedef {import("./columns.js").Value} Value */

const GIB = 2 ** 30;

/** At most three digits, thousands with commas; a dash where there is no value. @param {number} value */
export function short(value) {
  if (!Number.isFinite(value)) return "–";
  const size = Math.abs(value);
  if (size >= 999.5 || Number.isInteger(value)) return Math.round(value).toLocaleString("en-US");
  return Number(value.toPrecision(3)).toString();
}

/** A number beside an axis: thousands as k, millions as M. @param {number} value */
export function brief(value) {
  for (const [size, letter] of /** @type {[number, string][]} */ ([
    [1e6, "M"],
    [1e3, "k"],
  ])) {
    if (Math.abs(value) >= 10 * size || (Math.abs(value) >= size && size > 1e3)) return `${short(value / size)}${letter}`;
  }
  return short(value);
}

/** @param {number} value */
export const gib = (value) => value / GIB;

/** A factor, as 1.74×. @param {number} value */
export const times = (value) => (Number.isFinite(value) ? `${value.toFixed(2)}×` : "–");

/** A name in the way of a heading: words instead of underscores. @param {string} name */
export const words = (name) => name.replaceAll("_", " ");

/** A value in a cell. @param {Value} value @param {string} column */
export function shown(value, column) {
  if (value === null || value === undefined) return "";
  if (typeof value !== "number") return typeof value === "boolean" ? (value ? "yes" : "no") : value;
  if (column.endsWith("_fraction")) return `${short(100 * value)} %`;
  return Number.isInteger(value) ? value.toLocaleString("en-US") : String(Number(value.toPrecision(6)));
}

/** A field of CSV; empty where there is no value. @param {Value} value */
function field(value) {
  if (value === null || value === undefined) return "";
  const text = String(value);
  return /[",\n\r]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

/** @param {string[]} names @param {Value[][]} rows */
export function csv(names, rows) {
  return `${[names, ...rows].map((row) => row.map(field).join(",")).join("\n")}\n`;
}
