import assert from "node:assert/strict";
import { test } from "node:test";
import { deflateRawSync } from "node:zlib";
import { Table, unpack, varints } from "../src/columns.js";

const BYTES = Uint8Array.from([0, 1, 128, 1, /* codes */ 1, 2, 0, 3]);
const DESCRIPTION = {
  rows: 8,
  keys: { policy: ["all", "some"], batch: [1, 2, 4, 8] },
  columns: {
    tokens: { axes: [1], decimals: 1, first: 10, dictionary: [0, 4], width: 1, codes: [4, 4] },
    fits: { axes: [], words: [false, true], width: 1, codes: [5, 1] },
    ratio: { rule: "ratio", of: "twice", key: "policy", base: "all" },
    twice: { rule: "smaller", of: "tokens", than: "none", times: "batch" },
    none: { axes: [], words: ["x"], width: 1, codes: [6, 1] },
    left: { rule: "difference", of: "batch", less: ["tokens"] },
    each: { rule: "quotient", of: "tokens", over: "batch" },
  },
};

test("varints have seven bits a byte", () => {
  assert.deepEqual(varints(Uint8Array.from([0, 127, 128, 1, 255, 255, 3])), [0, 127, 128, 65535]);
});

test("a grid gives keys, stored and derived columns", () => {
  const table = new Table(DESCRIPTION, BYTES);
  assert.deepEqual(
    [0, 1, 2, 3].map((row) => table.get("tokens", row)),
    [1, 1.1, null, 13.9],
  );
  assert.deepEqual(table.row(5, ["policy", "batch", "tokens", "fits"]), { policy: "some", batch: 2, tokens: 1.1, fits: true });
  assert.deepEqual(
    [table.get("ratio", 5), table.get("ratio", 6), table.get("left", 4), table.get("each", 7)],
    [1, null, 0, 1.7375],
  );
  assert.throws(() => table.get("nothing", 0), /no column nothing/);
});

test("filters let rows through in the order of the table", () => {
  const table = new Table(DESCRIPTION, BYTES);
  assert.deepEqual(table.select({ policy: ["some"], batch: [8, 1] }), [4, 7]);
  assert.deepEqual(table.select({ tokens: [1.1] }), [1, 5]);
  assert.deepEqual(table.select({ batch: [3] }), []);
  const list = new Table({ rows: 3, keys: {}, columns: { a: { values: ["x", "y", "x"] }, b: { values: [1, null, 2] } } }, BYTES);
  assert.deepEqual(list.select({ a: ["x"], b: [2, 1], c: ["not there"] }), [0, 2]);
  assert.deepEqual(list.values("b"), [1, 2]);
});

test("a packed file has its header first", async () => {
  const text = new TextEncoder().encode(JSON.stringify({ tables: { grid: DESCRIPTION }, listed: {}, baseline: "all" }));
  const whole = new Uint8Array(4 + text.length + BYTES.length);
  new DataView(whole.buffer).setUint32(0, text.length, true);
  whole.set(text, 4);
  whole.set(BYTES, 4 + text.length);
  const { header, tables } = await unpack(deflateRawSync(whole));
  assert.equal(header.baseline, "all");
  assert.equal(tables.grid.get("tokens", 3), 13.9);
});
