import { readFile } from "node:fs/promises";

import { Predictor } from "edge-predict";

const predictor = await Predictor.load(await readFile("model.onnx"));
const { passed, rows, problems } = await predictor.verify();
if (!passed) throw new Error(`the model is not verified here: ${problems[0]}`);
console.log(`verified on ${rows} reference rows`);
console.log(await predictor.predict([[-1, 1], { x2: "1", x1: "1" }]));
console.log(await predictor.predictOne([-1, 1]));
console.log(predictor.unseen([[-1, 100]]));
