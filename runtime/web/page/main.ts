/** The script of a page that edge-export --page writes: everything in it, and a model that answers without a network. */

import { Predictor, type Value } from "../src/index.js";
import { answers, firstAnswer, formSignature } from "./answers.js";
import { embedded } from "./embedded.js";
import { showVerification } from "./foot.js";
import { imageInput } from "./image.js";
import { takePictures } from "./picture.js";
import { Regions } from "./regions.js";
import { takeTables } from "./table.js";

async function start(): Promise<void> {
  const [wasm, model] = await Promise.all([embedded("runtime"), embedded("artifact")]);
  const predictor = await Predictor.load(model, { wasm });
  const { signature, inputs, outputs } = predictor;
  const image = inputs.length === 1 ? imageInput(inputs[0]!) : undefined;
  if (signature?.features.length) {
    await showForm(predictor);
  } else if (signature !== undefined && image !== undefined) {
    takePictures(predictor, formSignature(signature), image);
  } else {
    const described = [inputs, outputs].map((specs) => specs.map(({ name, dtype, shape }) => ({ name, type: dtype ?? "?", shape })));
    byId("about")!.textContent = about(signature && formSignature(signature), 0);
    byId("tensors")!.hidden = false;
    showTensors(described[0]!, described[1]!);
  }
  await showVerification(predictor);
}

/** The form of a table's model, its picture, and a place for whole tables. */
async function showForm(predictor: Predictor): Promise<void> {
  const signature = formSignature(predictor.signature!);
  const values = (row: Readonly<Record<string, Value>>): Value[] => signature.columns.map((name) => row[name]);
  // A row of plausible values, by the names of the columns.
  const example = JSON.parse(byId("example")!.textContent!) as Readonly<Record<string, Value>>;
  let regions: Regions | undefined;
  const form: RowForm = new RowForm(async (row) => {
    const [unseen] = predictor.unseen([row]);
    const answer = firstAnswer(signature, await answers(predictor, [row]), unseen);
    regions?.follow(values(row));
    return answer;
  });
  form.show(signature, example);
  takeTables(predictor, signature);
  regions = await Regions.of(predictor, signature, form, values(example));
  if (regions !== undefined) await form.ask();
}

start()
  .catch((error: Error) => {
    byId("problem")!.textContent = `This model cannot be shown: ${error.message}.`;
    byId("problem")!.hidden = false;
  })
  .finally(() => { byId("loading")!.hidden = true; });
