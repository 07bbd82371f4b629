// What the page shows, as its address says: every choice stands in the fragment, so that a link reproduces a view.

/**
 * @typedef {import("./columns.js").Value} Value
 * @typedef {{ [name: string]: Value[] }} State a list of values for each name; most views take the first of those that are single
 * @typedef {{ allowed: Value[] | null, fallback: Value[] }} Choice null: any text
 * @typedef {{ [name: string]: Choice }} Choices
 */

/** The value of a choice that a text names, or undefined. @param {Choice} choice @param {string} text @returns {Value | undefined} */
function named(choice, text) {
  return choice.allowed === null ? text : choice.allowed.find((value) => String(value) === text);
}

/**
 * What a fragment asks for, and what is wrong with it: one line for each name or value that is not known.
 * @param {string} fragment with or without #
 * @param {Choices} choices
 * @returns {{ state: State, notes: string[] }}
 */
export function parsed(fragment, choices) {
  /** @type {State} */
  const state = Object.fromEntries(Object.entries(choices).map(([name, choice]) => [name, choice.fallback]));
  const notes = [];
  for (const [name, text] of new URLSearchParams(fragment.replace(/^#/, ""))) {
    const choice = choices[name];
    if (!choice) {
      notes.push(`The address has “${name}”, which is not known here. Known: ${Object.keys(choices).join(", ")}.`);
      continue;
    }
    const words = choice.allowed === null ? [text] : text.split(",").filter((word) => word !== "");
    const values = words.map((word) => named(choice, word));
    const wrong = words.filter((_, at) => values[at] === undefined);
    for (const word of wrong) {
      notes.push(`The address has ${name} “${word}”, which is not known here. Known: ${(choice.allowed ?? []).join(", ")}.`);
    }
    const known = values.filter((value) => value !== undefined);
    if (words.length === 0) notes.push(`The address has ${name} without a value. Shown instead: ${choice.fallback.join(", ")}.`);
    else if (known.length > 0) state[name] = /** @type {Value[]} */ (known);
    else if (wrong.length > 0) notes.push(`Shown instead: ${choice.fallback.join(", ")}.`);
  }
  return { state, notes };
}

/** @param {Value[]} one @param {Value[]} other */
const same = (one, other) => one.length === other.length && one.every((value, at) => value === other[at]);

/** The fragment that leads to a state: what differs from the defaults. @param {State} state @param {Choices} choices */
export function fragmentOf(state, choices) {
  return Object.entries(choices)
    .filter(([name, choice]) => !same(state[name], choice.fallback))
    .map(([name]) => `${name}=${state[name].map((value) => encodeURIComponent(String(value))).join(",")}`)
    .join("&");
}
