// Result tables from the bytes that src/prophet_paper/packing.py writes: decoded column by column, when one is asked for.

/**
 * @typedef {string | number | boolean | null} Value
 * @typedef {{ [name: string]: Value[] }} Filters the values that a key may have; a key that is not named may have any
 * @typedef {{ rule: string, of: string, less?: string[], over?: string, than?: string, times?: string, key?: string, base?: string }} Rule
 * @typedef {{ axes?: number[], decimals?: number, first?: number, dictionary?: [number, number], doubles?: [number, number],
 *   words?: Value[], width: number, codes: [number, number] }} Stored
 * @typedef {{ values: Value[] }} Listed
 * @typedef {Rule | Stored | Listed} Column
 * @typedef {{ rows: number, keys: { [name: string]: Value[] }, columns: { [name: string]: Column } }} Description
 */

const DECIMALS = 1e9; // of results, as in packing.py

/** A quotient as results have it. @param {number} value */
const rounded = (value) => Math.floor(value * DECIMALS + 0.5) / DECIMALS;

/** Whole numbers of seven bits a byte, the lowest first. @param {Uint8Array} bytes @returns {number[]} */
export function varints(bytes) {
  const found = [];
  let value = 0;
  let scale = 1;
  for (const byte of bytes) {
    value += (byte & 127) * scale;
    scale *= 128;
    if (byte < 128) {
      found.push(value);
      value = 0;
      scale = 1;
    }
  }
  return found;
}

/** Numbers whose bytes stand plane by plane. @param {Uint8Array} bytes @param {number} width */
function gathered(bytes, width) {
  const count = bytes.length / width;
  const out = new Uint8Array(bytes.length);
  for (let plane = 0; plane < width; plane++) {
    for (let at = 0; at < count; at++) out[at * width + plane] = bytes[plane * count + at];
  }
  return out.buffer;
}

/** @param {Uint8Array} bytes @param {number} width @returns {Uint8Array | Uint16Array | Uint32Array} */
function codesOf(bytes, width) {
  const buffer = gathered(bytes, width);
  if (width === 1) return new Uint8Array(buffer);
  return width === 2 ? new Uint16Array(buffer) : new Uint32Array(buffer);
}

/** A table of results. Rows are known by their number. */
export class Table {
  /** @type {Map<string, (row: number) => Value>} */
  #readers = new Map();
  /** @type {{ [key: string]: number }} */
  #strides = {};
  /** @type {Map<string, Value[]>} */
  #values = new Map();

  /** @param {Description} description @param {Uint8Array} bytes */
  constructor(description, bytes) {
    this.description = description;
    this.bytes = bytes;
    this.rows = description.rows;
    this.keys = description.keys;
    let stride = 1;
    for (const key of Object.keys(this.keys).reverse()) {
      this.#strides[key] = stride;
      stride *= this.keys[key].length;
    }
  }

  /** The columns, keys first. @returns {string[]} */
  get names() {
    return [...Object.keys(this.keys), ...Object.keys(this.description.columns)];
  }

  /** @param {string} name */
  has(name) {
    return name in this.keys || name in this.description.columns;
  }

  /** One value; null where there is none. @param {string} name @param {number} row @returns {Value} */
  get(name, row) {
    return this.reader(name)(row);
  }

  /** One number, NaN where there is none. @param {string} name @param {number} row */
  number(name, row) {
    const value = this.get(name, row);
    return typeof value === "number" ? value : Number.NaN;
  }

  /** The different values of a key or column, in the order of the table. @param {string} name @returns {Value[]} */
  values(name) {
    if (name in this.keys) return this.keys[name];
    const column = this.description.columns[name];
    if (column && "words" in column && column.words) return column.words;
    const known = this.#values.get(name);
    if (known) return known;
    const read = this.reader(name);
    const found = new Set();
    for (let row = 0; row < this.rows; row++) found.add(read(row));
    found.delete(null);
    const values = [...found].sort((a, b) =>
      typeof a === "number" && typeof b === "number" ? a - b : String(a) < String(b) ? -1 : 1,
    );
    this.#values.set(name, values);
    return values;
  }

  /** What reads a column. @param {string} name @returns {(row: number) => Value} */
  reader(name) {
    let found = this.#readers.get(name);
    if (!found) {
      found = this.#made(name);
      this.#readers.set(name, found);
    }
    return found;
  }

  /** @param {string} name @returns {(row: number) => Value} */
  #made(name) {
    if (name in this.keys) {
      const values = this.keys[name];
      const stride = this.#strides[name];
      return (row) => values[Math.floor(row / stride) % values.length];
    }
    const column = this.description.columns[name];
    if (!column) throw new Error(`no column ${name}; there are ${this.names.join(", ")}`);
    if ("values" in column) return (row) => column.values[row];
    return "rule" in column ? this.#derived(column) : this.#stored(column);
  }

  /** @param {Rule} rule @returns {(row: number) => Value} */
  #derived(rule) {
    /** @param {string | undefined} name */
    const numbers = (name) => {
      const read = this.reader(name ?? "");
      return (/** @type {number} */ row) => {
        const value = read(row);
        return value === null ? Number.NaN : Number(value);
      };
    };
    const of = numbers(rule.of);
    /** @param {(row: number) => number} made @returns {(row: number) => Value} */
    const orNull = (made) => (row) => {
      const value = made(row);
      return Number.isNaN(value) ? null : value;
    };
    if (rule.rule === "difference") {
      const less = (rule.less ?? []).map(numbers);
      return orNull((row) => less.reduce((left, taken) => left - taken(row), of(row)));
    }
    if (rule.rule === "quotient") {
      const over = numbers(rule.over);
      return orNull((row) => rounded(of(row) / over(row)));
    }
    if (rule.rule === "smaller") {
      const than = numbers(rule.than);
      const times = numbers(rule.times);
      return orNull((row) => (Number.isNaN(than(row)) ? of(row) : Math.min(of(row), than(row))) * times(row));
    }
    if (rule.rule === "ratio") {
      const key = rule.key ?? "";
      const stride = this.#strides[key];
      const size = this.keys[key].length;
      const base = this.keys[key].indexOf(rule.base ?? "");
      return orNull((row) => rounded(of(row) / of(row + (base - (Math.floor(row / stride) % size)) * stride)));
    }
    throw new Error(`no rule ${rule.rule}`);
  }

  /** @param {[number, number]} part */
  #part([at, length]) {
    return this.bytes.subarray(at, at + length);
  }

  /** @param {Stored} column @returns {(row: number) => Value} */
  #stored(column) {
    const codes = codesOf(this.#part(column.codes), column.width);
    const distinct = this.#distinct(column);
    const place = this.#place(column.axes);
    return (row) => {
      const code = codes[place(row)];
      return code === 0 ? null : distinct[code - 1];
    };
  }

  /** @param {Stored} column @returns {ArrayLike<Value>} */
  #distinct(column) {
    if (column.words) return column.words;
    if (column.doubles) return new Float64Array(gathered(this.#part(column.doubles), 8));
    const scale = 10 ** (column.decimals ?? 0);
    let whole = column.first ?? 0;
    return varints(this.#part(column.dictionary ?? [0, 0])).map((step) => {
      whole += step;
      return whole / scale;
    });
  }

  /** Where a row stands among the values along some axes. @param {number[] | undefined} axes @returns {(row: number) => number} */
  #place(axes) {
    if (axes === undefined) return (row) => row;
    const names = Object.keys(this.keys);
    /** @type {[number, number, number][]} */
    const steps = [];
    let own = 1;
    for (const axis of [...axes].reverse()) {
      const size = this.keys[names[axis]].length;
      steps.push([this.#strides[names[axis]], size, own]);
      own *= size;
    }
    return (row) => {
      let at = 0;
      for (const [stride, size, step] of steps) at += (Math.floor(row / stride) % size) * step;
      return at;
    };
  }

  /** The rows that filters let through, in the order of the table. @param {Filters} filters @returns {number[]} */
  select(filters) {
    const names = Object.keys(this.keys);
    if (names.length === 0) {
      const tests = Object.entries(filters).filter(([name]) => this.has(name));
      const read = tests.map(([name]) => this.reader(name));
      const allowed = tests.map(([, values]) => new Set(values));
      const found = [];
      for (let row = 0; row < this.rows; row++) {
        if (read.every((of, at) => allowed[at].has(of(row)))) found.push(row);
      }
      return found;
    }
    let found = [0];
    for (const name of names) {
      const wanted = filters[name];
      const stride = this.#strides[name];
      const places = this.keys[name]
        .map((_, place) => place)
        .filter((place) => !wanted || wanted.includes(this.keys[name][place]));
      found = found.flatMap((at) => places.map((place) => at + place * stride));
    }
    const others = Object.entries(filters).filter(([name]) => name in this.description.columns);
    return found.filter((row) => others.every(([name, values]) => values.includes(this.get(name, row))));
  }

  /** A row by name. @param {number} row @param {string[]} [names] @returns {{ [name: string]: Value }} */
  row(row, names = this.names) {
    return Object.fromEntries(names.map((name) => [name, this.get(name, row)]));
  }
}

/**
 * Header and tables of a packed file.
 * @param {Uint8Array} packed
 * @returns {Promise<{ header: any, tables: { [name: string]: Table } }>}
 */
export async function unpack(packed) {
  const whole = new Blob([/** @type {BlobPart} */ (packed)]).stream().pipeThrough(new DecompressionStream("deflate-raw"));
  const bytes = new Uint8Array(await new Response(whole).arrayBuffer());
  const length = new DataView(bytes.buffer).getUint32(0, true);
  const header = JSON.parse(new TextDecoder().decode(bytes.subarray(4, 4 + length)));
  const rest = bytes.subarray(4 + length);
  const described = Object.entries(/** @type {{ [name: string]: Description }} */ ({ ...header.tables, ...header.listed }));
  const tables = Object.fromEntries(described.map(([name, description]) => [name, new Table(description, rest)]));
  return { header, tables };
}
