// The package reads, refuses and answers each case of the conformance file as Python does.
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { test } from "node:test";

import { Predictor } from "../../runtime/web/dist/index.js";
import { readSignature } from "../../runtime/web/dist/signature.js";
import { suggestion } from "../../runtime/web/dist/suggestions.js";
import { readValue } from "../../runtime/web/dist/values.js";

const folder = new URL("../", import.meta.url);
const cases = JSON.parse(await readFile(new URL("conformance/conformance.json", folder)));

/** A feature of the file, through the reader of signatures, which fills in what is as by default. */
function featureOf(plain) {
  const inputs = [{ name: "x", features: [plain] }];
  return readSignature(JSON.stringify({ schema_version: 4, task: "regression", inputs, output: "y" })).features[0];
}

/** A value as the file has it. */
function plain(value) {
  if (value === -(2n ** 63n)) return "NaT";
  if (typeof value === "bigint") return Number(value);
  return typeof value === "number" && !Number.isFinite(value) ? String(value) : value;
}

function result(compute) {
  try {
    return compute();
  } catch (error) {
    return { error: error.message };
  }
}

for (const { feature, cases: values } of cases.values) {
  test(`values of ${feature.kind} ${JSON.stringify(feature.notation ?? feature.categories ?? feature.words ?? feature.order ?? "")}`, () => {
    const read = featureOf(feature);
    for (const [value, expected, error] of values) {
      const found = result(() => plain(readValue(value, read)));
      assert.deepEqual(found, error === undefined ? expected : { error }, JSON.stringify(value));
    }
  });
}

test("names are suggested", () => {
  for (const [word, known, message] of cases.names) assert.equal(suggestion(word, known), message);
});

test("signatures are read, and other documents refused", () => {
  for (const [text, isSignature] of cases.signatures) {
    const found = result(() => readSignature(text));
    assert.equal(found.error === undefined, isSignature, text);
  }
});

/** Equal but for what processors round in other orders. */
function near(found, expected, label) {
  if (Array.isArray(expected)) expected.forEach((one, place) => near(found[place], one, label));
  else if (typeof expected === "number" && typeof found === "number") {
    assert.ok(Math.abs(found - expected) <= 1e-7 + 1e-5 * Math.abs(expected), `${label}: ${found}, not ${expected}`);
  } else assert.deepEqual(found, expected, label);
}

for (const { model, cases: rows } of cases.models) {
  test(`rows of ${model}`, async () => {
    const predictor = await Predictor.load(await readFile(new URL(model, folder)));
    for (const { row, error, answer, probabilities, unseen } of rows) {
      const label = JSON.stringify(row);
      if (error !== undefined) {
        await assert.rejects(predictor.predict([row]), { name: "InvalidInput", message: error }, label);
        continue;
      }
      near(plain((await predictor.predict([row]))[0]), answer, label);
      if (probabilities !== undefined) near((await predictor.predictProba([row]))[0].map(plain), probabilities, label);
      assert.deepEqual(predictor.unseen([row])[0], unseen, label);
    }
    await predictor.close();
  });
}
