import assert from "node:assert/strict";
import { test } from "node:test";
import { fragmentOf, parsed } from "../src/state.js";

const CHOICES = {
  view: { allowed: ["memory", "rows"], fallback: ["memory"] },
  model: { allowed: ["a", "b", "c"], fallback: ["a", "b"] },
  batch: { allowed: [1, 16], fallback: [16] },
  q: { allowed: null, fallback: [""] },
};

test("an empty address shows the defaults and says nothing", () => {
  assert.deepEqual(parsed("", CHOICES), { state: { view: ["memory"], model: ["a", "b"], batch: [16], q: [""] }, notes: [] });
});

test("what an address says is what is shown, and the same address comes of it", () => {
  const { state, notes } = parsed("#view=rows&model=c,a&batch=1&q=two%20words%2C%26", CHOICES);
  assert.deepEqual(notes, []);
  assert.deepEqual(state, { view: ["rows"], model: ["c", "a"], batch: [1], q: ["two words,&"] });
  assert.deepEqual(parsed(fragmentOf(state, CHOICES), CHOICES), { state, notes: [] });
});

test("defaults are left out of the address", () => {
  assert.equal(fragmentOf(parsed("batch=16&model=a,b", CHOICES).state, CHOICES), "");
});

test("what is not known falls back and is named", () => {
  const { state, notes } = parsed("view=nothing&colour=red&model=a,x&batch=2", CHOICES);
  assert.deepEqual(state, { view: ["memory"], model: ["a"], batch: [16], q: [""] });
  for (const word of ["view “nothing”", "“colour”", "model “x”", "batch “2”"])
    assert.ok(
      notes.some((note) => note.includes(word)),
      word,
    );
});
