// The conformance file, replayed: what this package reads, refuses and answers otherwise than the file says.
import { Predictor } from "../../runtime/web/dist/index.js";
import { readArray } from "../../runtime/web/dist/reference-arrays.js";
import { fromHalf } from "../../runtime/web/dist/half.js";
import { readSignature } from "../../runtime/web/dist/signature.js";
import { suggestion } from "../../runtime/web/dist/suggestions.js";
import { readValue } from "../../runtime/web/dist/values.js";

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

const areSame = (found, expected) =>
  found.length === expected.length && expected.every((one, place) => Object.is(found[place], one));

/** Equal but for what processors round in other orders. */
function near(found, expected) {
  if (typeof expected !== "number" || typeof found !== "number") return Object.is(found, expected);
  return Math.abs(found - expected) <= 1e-7 + 1e-5 * Math.abs(expected);
}

/** What `compute` returns, or the words of its error. */
function result(compute) {
  try {
    return [compute()];
  } catch (error) {
    return [null, error.message];
  }
}

export function differentValues({ feature, cases }) {
  const read = featureOf(feature);
  return cases.flatMap(([value, expected, error]) => {
    const [found, message] = result(() => plain(readValue(value, read)));
    return Object.is(found, expected) && message === error ? [] : [[value, found, message]];
  });
}

export const differentNames = (cases) =>
  cases.filter(([word, known, message]) => suggestion(word, known) !== message);

export const differentSignatures = (cases) =>
  cases.filter(([text, isOne]) => (result(() => readSignature(text))[1] === undefined) !== isOne);

export function differentArrays(cases) {
  return cases.flatMap(([array, expected]) => {
    const [found, message] = result(() => readArray(array));
    if (expected === null) return message === undefined ? [[array, found]] : [];
    const { dtype, data } = found ?? { data: [] };
    const numbers = Array.from(data, (one) => plain(dtype === "float16" ? fromHalf(one) : one));
    return areSame(numbers, expected) ? [] : [[array, numbers, message]];
  });
}

export async function differentAnswers(cases, content) {
  const predictor = await Predictor.load(content);
  const found = [];
  for (const { row, error, answer, probabilities = [], unseen } of cases) {
    try {
      const numbers = (await predictor.predict([row])).map(plain);
      if (probabilities.length > 0) numbers.push(...(await predictor.predictProba([row]))[0].map(plain));
      const isNear = [answer, ...probabilities].every((one, place) => near(numbers[place], one));
      const reasons = predictor.unseen([row])[0];
      const isSame = error === undefined && JSON.stringify(reasons) === JSON.stringify(unseen);
      if (!isNear || !isSame) found.push([row, numbers, reasons]);
    } catch (refused) {
      if (refused.name !== "InvalidInput" || refused.message !== error) found.push([row, refused.name, refused.message]);
    }
  }
  await predictor.close();
  return found;
}

/** All differences, with the file at `address` and the models beside it. */
export async function differences(address) {
  const fetched = async (path) => (await fetch(new URL(path, address))).arrayBuffer();
  const parts = JSON.parse(new TextDecoder().decode(await fetched("conformance/conformance.json")));
  const found = [differentNames(parts.names), differentSignatures(parts.signatures), differentArrays(parts.arrays)].flat();
  for (const part of parts.values) found.push(...differentValues(part));
  for (const { model, cases } of parts.models) found.push(...(await differentAnswers(cases, await fetched(model))));
  return found;
}
