/** A picture that is dropped on the page of an image network, and its answer. */

import type { Predictor } from "../src/index.js";
import { answers, firstAnswer, type FormSignature } from "./answers.js";
import { type ImageInput, SCALINGS, sizeFor, tensorOf } from "./image.js";
import { takeFiles } from "./table.js";

/** Answer the pictures that are dropped on the page, or chosen. */
export function takePictures(predictor: Predictor, signature: FormSignature, input: ImageInput): void {
  const { channels, type, height, width } = input;
  const size = `${width ?? "any"} × ${height ?? "any"} pixels`;
  byId("picture")!.hidden = byId("rows")!.hidden = false;
  byId("row")!.hidden = true;
  byId("about")!.textContent = signature.labels ? `Says which of ${signature.labels.length} labels a picture has.` : "Says a number of a picture.";
  byId("rule")!.textContent = rule(signature);
  byId("picture-about")!.textContent = `Drop a picture anywhere on this page, or choose one. It stays on this computer. The network takes ${size}, ${channels === 3 ? "in red, green and blue" : "in grey"}: the middle of the picture is cut to this shape.`;
  const list = byId("scaling") as HTMLSelectElement;
  list.append(...SCALINGS.filter((one) => channels === 3 || one.mean[0] === one.mean[1]).map((one, place) => element("option", { value: place }, one.name)));
  byId("scaling-line")!.hidden = type === "uint8";
  byId("scaling-about")!.textContent =
    type === "uint8"
      ? "The network takes the bytes of the picture as they are, from 0 to 255."
      : "The file does not say how the numbers of its pictures are scaled. 0 to 1 is assumed: choose what training used, or the answers are wrong.";
  showHead("No picture yet", "", "none");
  let picture: ImageBitmap | undefined;
  const answer = async (): Promise<void> => {
    if (picture === undefined) return;
    const wanted = sizeFor(input, picture);
    const canvas = byId("seen") as HTMLCanvasElement;
    Object.assign(canvas, wanted);
    canvas.hidden = false;
    const context = canvas.getContext("2d", { willReadFrequently: true })!;
    context.imageSmoothingQuality = "high";
    // What is transparent is white.
    context.fillStyle = "#fff";
    context.fillRect(0, 0, wanted.width, wanted.height);
    const scale = Math.max(wanted.width / picture.width, wanted.height / picture.height);
    const [w, h] = [picture.width * scale, picture.height * scale];
    context.drawImage(picture, (wanted.width - w) / 2, (wanted.height - h) / 2, w, h);
    const pixels = context.getImageData(0, 0, wanted.width, wanted.height).data;
    const tensor = tensorOf(input, pixels, wanted.width, wanted.height, SCALINGS[Number(list.value)]!);
    try {
      showAnswer(firstAnswer(signature, await answers(predictor, tensor)), signature);
    } catch (error) {
      showNoAnswer("No answer", (error as Error).message);
    }
  };
  list.addEventListener("change", () => void answer());
  takeFiles(byId("picture-file") as HTMLInputElement, async (file) => {
    try {
      picture = await createImageBitmap(file);
      await answer();
    } catch {
      showNoAnswer("No answer", `${file.name} is not a picture that this browser reads`);
      announce(`No answer: ${file.name} is not a picture that this browser reads`);
    }
  });
}
