// The package reads, refuses and answers each case of the conformance file as Python does.
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { test } from "node:test";

import { differentAnswers, differentArrays, differentNames, differentSignatures, differentValues } from "./replay.mjs";

const folder = new URL("../", import.meta.url);
const parts = JSON.parse(await readFile(new URL("conformance/conformance.json", folder)));

for (const part of parts.values) {
  const { kind, notation, categories, words, order } = part.feature;
  const more = notation ?? categories ?? words ?? order;
  test(`values of ${kind}${more === undefined ? "" : ` ${JSON.stringify(more)}`}`, () => {
    assert.deepEqual(differentValues(part), []);
  });
}

test("names are suggested", () => assert.deepEqual(differentNames(parts.names), []));

test("signatures are read, and other documents refused", () => assert.deepEqual(differentSignatures(parts.signatures), []));

test("arrays of reference rows are read, and damaged ones refused", () => assert.deepEqual(differentArrays(parts.arrays), []));

for (const { model, cases } of parts.models) {
  test(`rows of ${model}`, async () => {
    assert.deepEqual(await differentAnswers(cases, await readFile(new URL(model, folder))), []);
  });
}
