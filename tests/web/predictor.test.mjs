// The face of the package: what it takes, what it returns, and how it refuses the rest.
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { test } from "node:test";

import { Predictor } from "../../runtime/web/dist/index.js";

const models = new URL("../runtime/models/", import.meta.url);
const contentOf = async (name) => new Uint8Array(await readFile(new URL(`${name}.onnx`, models)));
const opened = async (name) => Predictor.load(await contentOf(name));

/** An ONNX file with another entry in its metadata, which takes the place of one of the same key. */
function appended(content, key, value) {
  const field = (number, bytes) => {
    const length = [];
    for (let left = bytes.length; ; left = Math.floor(left / 128)) {
      length.push(left < 128 ? left : (left % 128) + 128);
      if (left < 128) return Uint8Array.from([(number << 3) | 2, ...length, ...bytes]);
    }
  };
  const text = new TextEncoder();
  const entry = Uint8Array.from([...field(1, text.encode(key)), ...field(2, text.encode(value))]);
  return Uint8Array.from([...content, ...field(14, entry)]);
}

test("a model is loaded from every kind of bytes", async () => {
  const content = await contentOf("four_blobs");
  const padded = new Uint8Array(content.length + 8);
  padded.set(content, 8);
  for (const source of [content, content.buffer, Buffer.from(content), padded.subarray(8)]) {
    const predictor = await Predictor.load(source);
    assert.deepEqual(await predictor.predict([[-1, 1], [1, 1]]), [1, 0]);
    assert.ok((await predictor.verify()).passed);
  }
  // A file as it is read, which was not changed by the verification.
  assert.deepEqual(content, await contentOf("four_blobs"));
});

test("an array without an element is refused as any other", async () => {
  const predictor = await opened("four_blobs");
  await assert.rejects(predictor.predict([[1, 2], , [1, 2]]), { name: "InvalidInput", row: 1 });
});

test("a model is fetched", async () => {
  const address = `data:application/octet-stream;base64,${Buffer.from(await contentOf("four_blobs")).toString("base64")}`;
  assert.deepEqual(await (await Predictor.load(address)).predict([[-1, 1]]), [1]);
  await assert.rejects(Predictor.load("model.onnx"), { name: "InvalidModel", message: /of a file on the disk, pass the content$/ });
});

test("the signature", async () => {
  const { signature } = await opened("penguins");
  assert.equal(signature.task, "multiclass_classification");
  assert.deepEqual(signature.labels, ["Adelie", "Chinstrap", "Gentoo"]);
  assert.deepEqual(signature.features.map((one) => one.name), ["island", "bill", "mass", "ringed", "year"]);
  const [island, bill, , ringed, year] = signature.features;
  assert.deepEqual([island.kind, island.missing, island.categories.length], ["categorical", 0, 4]);
  assert.deepEqual([bill.minimum, bill.maximum, ringed.missing, year.categories], [32, 60, undefined, [2007, 2008, 2009]]);
});

test("integers of 64 bits are labels as they are", async () => {
  const content = await contentOf("four_blobs");
  const inputs = '[{"name": "x", "features": [{"name": "a", "kind": "numeric"}, {"name": "b", "kind": "numeric"}]}]';
  const labels = "[9007199254740993, 18446744073709551615]";
  const text = `{"schema_version": 1, "task": "binary_classification", "inputs": ${inputs}, "output": "probability",
    "labels": ${labels}, "threshold": 0.50000000000000000001}`;
  const predictor = await Predictor.load(appended(content, "edge_predict.signature", text));
  assert.deepEqual(await predictor.predict([[1, 1], [-1, 1]]), [9007199254740993n, 18446744073709551615n]);
});

test("answers of a row", async () => {
  const blobs = await opened("four_blobs");
  const { label, probability } = await blobs.predictOne({ x1: -1, x2: "1", besides: "any" });
  assert.deepEqual([label, probability.toFixed(4)], [1, "0.9927"]);
  assert.deepEqual((await blobs.predictProba([[-1, 1]]))[0].map((one) => one.toFixed(4)), ["0.0073", "0.9927"]);
  assert.deepEqual(await blobs.predict([Float32Array.of(-1, 1), [NaN, 1]]), [1, 0]);
  assert.deepEqual([await blobs.predict([]), await blobs.predictProba([]), blobs.unseen([])], [[], [], []]);
  assert.ok((await (await opened("mass")).predictOne([1, 2])).value > 0);
});

test("rows that are refused say which they are", async () => {
  const blobs = await opened("four_blobs");
  const refused = async (rows, message, more = {}) =>
    assert.rejects(blobs.predict(rows), { name: "InvalidInput", message, ...more });
  await refused([[1, 2], [1, "a"]], "x2: 'a' is not a number", { row: 1, feature: "x2" });
  await refused([[1, 2], [1]], "a row has 2 values (x1, x2), found 1", { row: 1 });
  await refused([{ x1: 1, X2: 1 }], "missing x2; 'X2' is not a feature; did you mean 'x2'?", { row: 0 });
  await refused([5], "a row is an array, or an object by names, found 5", { row: 0 });
  await refused("rows", "an array of rows is expected, found 'rows'");
  // What objects have from their class is not a value of theirs.
  await refused([Object.create({ x1: 1, x2: 1 })], "missing x1, x2");
});

test("dates may be objects", async () => {
  const sales = await opened("sales");
  const row = { sold: "2024-02-29T14:30:00Z", price: 10, new: true, zip: "01067", paid: "2024-03-01" };
  const same = { ...row, sold: new Date("2024-02-29T14:30:00.900Z") };
  assert.deepEqual(await sales.predict([row]), await sales.predict([same]));
});

test("images, with and without the axis of the rows", async () => {
  const images = await opened("images");
  const data = Array.from({ length: 24 }, (_, place) => place / 24);
  const [one] = await images.predictProba({ data, shape: [2, 3, 4] });
  assert.deepEqual(await images.predictProba({ image: { data: [...data, ...data], shape: [2, 2, 3, 4] } }), [one, one]);
  assert.equal((await images.predictOne({ data, shape: [2, 3, 4] })).label, (await images.predict({ data, shape: [2, 3, 4] }))[0]);
  const taken = "the model takes image: float32 [batch, 2, 3, 4]";
  for (const [given, message] of [
    [{ data, shape: [3, 2, 4] }, `${taken}, found shape [1, 3, 2, 4]`],
    [{ data, shape: [24, 2] }, "image: 24 elements do not have the shape [24,2]"],
    [{ images: { data, shape: [2, 3, 4] } }, `${taken}: missing image, unknown images; did you mean 'image'?`],
    [{ data: ["a"], shape: [1] }, `${taken}, found shape [1]`],
  ]) {
    await assert.rejects(images.predict(given), { name: "InvalidInput", message });
  }
  assert.throws(() => images.unseen([[1]]), { name: "NoFeatures" });
});

test("tensors of every type come back", async () => {
  const predictor = await opened("tensors");
  assert.equal(predictor.signature, undefined);
  const inputs = {
    float16: { data: [1, 65504], shape: [1, 2] },
    float32: { data: Float32Array.of(0.1, -0), shape: [1, 2] },
    float64: { data: [0.1], shape: [1] },
    int8: { data: [-128], shape: [1] },
    int64: { data: [-(2n ** 63n)], shape: [1] },
    uint8: { data: [0, 7, 255], shape: [3] },
    bool: { data: [true, false, 1], shape: [3] },
    string: { data: ["é\u0301"], shape: [1] },
    scalar: { data: [2.5], shape: [] },
  };
  const found = await predictor.run(inputs);
  for (const [name, { data, shape }] of Object.entries(inputs)) {
    const output = found[`${name}_out`];
    assert.deepEqual([...output.data], Array.from(data, (one) => (typeof one === "boolean" ? Number(one) : one)), name);
    assert.deepEqual([...output.shape], shape);
  }
  for (const [name, data, message] of [
    ["float16", [1, 70000], "float16: 70000.0 does not fit float16"],
    ["int8", [128], "int8: 128 does not fit int8"],
    ["int8", [1.5], "int8: int8 is expected, found 1.5"],
    ["uint8", [-1, 0, 0], "uint8: -1 does not fit uint8"],
    ["bool", [2], "bool: 2 does not fit bool"],
    ["string", [1], "string: strings are expected, found 1"],
    ["float32", ["a", "b"], "float32: float32 is expected, found 'a'"],
  ]) {
    const shape = data.length === inputs[name].data.length ? inputs[name].shape : [data.length];
    await assert.rejects(predictor.run({ ...inputs, [name]: { data, shape } }), { name: "InvalidInput", message });
  }
  await assert.rejects(predictor.predict([[1]]), { name: "NoSignature" });
  await assert.rejects(predictor.verify(), { name: "NoCertificate" });
  const longer = { ...inputs, float64: { data: [1, 2], shape: [2] } };
  await assert.rejects(predictor.run(longer), { message: "batch must be the same everywhere: float16 has 1, float64 2" });
});

test("a regression has no probabilities", async () => {
  await assert.rejects((await opened("mass")).predictProba([[1, 2]]), { name: "NoProbabilities" });
});

test("calls may be made before others have ended", async () => {
  const [one, other] = [await opened("four_blobs"), await opened("three_labels")];
  const rows = Array.from({ length: 20 }, (_, place) => [(place - 10) / 5, 1]);
  const wanted = [await one.predictProba(rows), await other.predictProba(rows)];
  const calls = rows.map(async (row, place) => {
    const [found] = await (place % 3 ? one : other).predictProba([row]);
    assert.deepEqual(found, wanted[place % 3 ? 0 : 1][place]);
  });
  await Promise.all([...calls, one.verify().then(({ passed }) => assert.ok(passed))]);
});

test("a closed predictor does not answer", async () => {
  const predictor = await opened("four_blobs");
  await predictor.close();
  await predictor.close();
  await assert.rejects(predictor.predict([[1, 2]]), { name: "PredictorClosed" });
  await assert.rejects(predictor.verify(), { name: "PredictorClosed" });
});

test("what is not a model is refused", async () => {
  const content = await contentOf("four_blobs");
  const damaged = { name: "InvalidModel" };
  await assert.rejects(Predictor.load(new Uint8Array()), damaged);
  await assert.rejects(Predictor.load(new TextEncoder().encode("{}")), damaged);
  await assert.rejects(Predictor.load(content.subarray(0, content.length / 2)), damaged);
  for (const name of ["external", "custom_operators", "half"]) await assert.rejects(opened(name), damaged, name);
  const beside = appended(content, "edge_predict.data", "{}");
  await assert.rejects(Predictor.load(beside), { message: /weights in a file beside it/ });
  // Of another graph: answers would be wrong.
  const regression = { schema_version: 2, task: "regression", output: "probability" };
  for (const features of [1, 3]) {
    const names = Array.from({ length: features }, (_, place) => ({ name: `x${place}`, kind: "numeric" }));
    const text = JSON.stringify({ ...regression, inputs: [{ name: "x", features: names }] });
    const other = appended(content, "edge_predict.signature", text);
    await assert.rejects(Predictor.load(other), { message: /does not describe this graph/ });
  }
});

test("a model that would take all memory or time is refused before it is opened", async () => {
  const message = /^the model has 50,331,647 nodes, with those of its functions .*; the limit is 200,000$/;
  await assert.rejects(opened("hostile/functions"), { name: "InvalidModel", message });
});

test("answers of another shape than the declared one are refused", async () => {
  const features = '[{"name": "a", "kind": "numeric"}, {"name": "b", "kind": "numeric"}]';
  const text = `{"schema_version": 2, "task": "regression", "inputs": [{"name": "x", "features": ${features}}], "output": "y"}`;
  // It gives five rows and two columns, whatever it gets, and declares n rows and two columns.
  const labels = text.replace('"regression"', '"multiclass_classification", "labels": ["a", "b"]');
  const predictor = await Predictor.load(appended(await contentOf("hostile/more_rows"), "edge_predict.signature", labels));
  await assert.rejects(predictor.predict([[1, 2]]), { name: "InferenceFailed", message: "the model returns 5 rows of y for 1" });
});

test("what is not printable in the names of a model is escaped", async () => {
  const content = await contentOf("four_blobs");
  const beside = Predictor.load(appended(content, "edge_predict.signature", '{"schema_version": "\\u001b[2J"}'));
  await assert.rejects(beside, { message: "the signature is damaged: schema_version is '\\x1b[2J'" });
});

test("a changed file does not pass", async () => {
  const content = await contentOf("four_blobs");
  const predictor = await Predictor.load(appended(content, "besides", "any"));
  const { passed, intact, signatureIntact, problems } = await predictor.verify();
  assert.deepEqual([passed, intact, signatureIntact], [false, false, true]);
  const still = "although its outputs on the reference rows are still within tolerance";
  assert.deepEqual(problems, [`the file was changed after its export, ${still}`]);
});
