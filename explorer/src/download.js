// What a reader takes away: the selected rows as CSV, the view as SVG.

import { csv } from "./text.js";

/** @param {string} name @param {string} kind @param {string} text */
function save(name, kind, text) {
  const address = URL.createObjectURL(new Blob([text], { type: kind }));
  const link = document.createElement("a");
  link.href = address;
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(address), 1000);
}

/** @param {import("./page.js").Selection} selection @param {string} view */
export function saveRows({ table, rows, names }, view) {
  const readers = names.map((name) => table.reader(name));
  save(
    `prophet-${view}.csv`,
    "text/csv",
    csv(
      names,
      rows.map((row) => readers.map((read) => read(row))),
    ),
  );
}

const LETTER = 0.55; // width of a letter over its height, on average

/** A text in lines of at most so many letters. @param {string} text @param {number} most @returns {string[]} */
export function broken(text, most) {
  /** @type {string[]} */
  const lines = [];
  for (const word of text.split(/\s+/).filter((found) => found !== "")) {
    const last = lines.at(-1);
    if (last !== undefined && last.length + word.length < most) lines[lines.length - 1] = `${last} ${word}`;
    else lines.push(word);
  }
  return lines;
}

/** The charts below each other as one picture, black on white whatever the page's theme. @param {Element[]} figures */
export function pictureOf(figures) {
  const space = "http://www.w3.org/2000/svg";
  const whole = document.createElementNS(space, "svg");
  whole.setAttribute("xmlns", space);
  let top = 0;
  let width = 0;
  const GAP = 8;
  for (const figure of figures) {
    const frame = figure.getBoundingClientRect();
    let bottom = 0;
    for (const text of figure.querySelectorAll("figcaption h2, figcaption p, .panels h3")) {
      const box = text.getBoundingClientRect();
      const size = text.tagName === "P" ? 10 : 13;
      broken(text.textContent ?? "", box.width / (size * LETTER)).forEach((words, at) => {
        const line = document.createElementNS(space, "text");
        line.setAttribute("x", String(box.left - frame.left));
        line.setAttribute("y", String(top + box.top - frame.top + 12 + at * size * 1.3));
        line.setAttribute("font-size", String(size));
        if (text.tagName !== "P") line.setAttribute("font-weight", "bold");
        line.textContent = words;
        whole.append(line);
      });
    }
    for (const svg of figure.querySelectorAll("svg")) {
      const box = svg.getBoundingClientRect();
      const own = /** @type {SVGSVGElement} */ (svg.cloneNode(true));
      own.setAttribute("x", String(box.left - frame.left));
      own.setAttribute("y", String(top + box.top - frame.top));
      own.setAttribute("width", String(box.width));
      own.setAttribute("height", String(box.height));
      whole.append(own);
      bottom = Math.max(bottom, box.bottom - frame.top);
      width = Math.max(width, box.right - frame.left);
    }
    for (const swatch of figure.querySelectorAll("[class*='-swatch']:not([class*='-swatches'])")) {
      const box = swatch.getBoundingClientRect();
      const line = document.createElementNS(space, "text");
      line.setAttribute("x", String(box.left - frame.left + 18));
      line.setAttribute("y", String(top + box.top - frame.top + 12));
      line.setAttribute("font-size", "10");
      line.textContent = swatch.textContent;
      whole.append(line);
    }
    top += bottom + GAP;
  }
  whole.setAttribute("viewBox", `0 0 ${width} ${top}`);
  whole.setAttribute("width", String(width));
  whole.setAttribute("height", String(top));
  whole.setAttribute("font-family", "system-ui, sans-serif");
  whole.setAttribute("style", "background: #fff; color: #1b1b1b; --paper: #fff");
  return whole;
}

/** @param {Element[]} figures @param {string} view */
export function savePicture(figures, view) {
  save(`prophet-${view}.svg`, "image/svg+xml", new XMLSerializer().serializeToString(pictureOf(figures)));
}
