import assert from "node:assert/strict";
import { test } from "node:test";
import { matches } from "../src/rows.js";
import { brief, csv, short, shown, times } from "../src/text.js";

test("numbers have three digits where they are no whole numbers", () => {
  assert.deepEqual([1.7449, 0.012345, 12345.6, 31, Number.NaN].map(short), ["1.74", "0.0123", "12,346", "31", "–"]);
  assert.deepEqual([512, 100000, 2500000, 0.25].map(brief), ["512", "100k", "2.5M", "0.25"]);
  assert.equal(times(1.745), "1.75×");
});

test("cells say yes, no, per cent and nothing", () => {
  assert.deepEqual(
    [shown(true, "fits"), shown(null, "fits"), shown(0.125, "saved_fraction"), shown(2048, "n")],
    ["yes", "", "12.5 %", "2,048"],
  );
});

test("CSV has every digit, quotes what has to be quoted, and leaves empty what has no value", () => {
  assert.equal(
    csv(
      ["a", "b"],
      [
        [1.123456789, 'x,"y"'],
        [null, "two\nlines"],
      ],
    ),
    'a,b\n1.123456789,"x,""y"""\n,"two\nlines"\n',
  );
});

test("a row has every word", () => {
  assert.ok(matches(["Mixtral", 8], "8 mix"));
  assert.ok(!matches(["Mixtral", 8], "mix 9"));
  assert.ok(matches(["1.74×"], "1.74x"));
});
