/** A model's file: its bytes, and what its metadata says. onnxruntime-web does not show it. */

import { InvalidModel } from "./errors.js";
import { fields, NotAMessage } from "./protobuf.js";

/** The bytes of a model, and the documents of edge-predict in its metadata. */
export interface ModelFile {
  readonly content: Uint8Array;
  /** The JSON of its signature. */
  readonly signature: string | undefined;
  /** The JSON of its certificate. */
  readonly certificate: string | undefined;
}

const SIGNATURE = "edge_predict.signature";
const CERTIFICATE = "edge_predict.certificate";
const DATA = "edge_predict.data";
// Of ModelProto: repeated StringStringEntryProto metadata_props = 14; and of that message.
const METADATA = 14;
const [KEY, VALUE] = [1, 2];
const MOST_METADATA = 256 * 1024 ** 2;
// What an entry takes besides its text.
const ENTRY = 100;

/**
 * What a model's file says of itself.
 *
 * @throws InvalidModel if it is not an ONNX file, has more than 256 MiB of metadata, or its weights elsewhere.
 */
export function readModelFile(content: Uint8Array): ModelFile {
  let entries: Map<string, string>;
  try {
    entries = metadata(content);
  } catch (error) {
    if (error instanceof InvalidModel) throw error;
    if (error instanceof NotAMessage) throw new InvalidModel("it is not an ONNX file, or damaged");
    throw new InvalidModel("what the model says about itself is not UTF-8 text");
  }
  if (entries.has(DATA)) {
    throw new InvalidModel("the model has its weights in a file beside it, which is too large for onnxruntime-web");
  }
  return { content, signature: entries.get(SIGNATURE), certificate: entries.get(CERTIFICATE) };
}

function metadata(model: Uint8Array): Map<string, string> {
  const text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
  const found = new Map<string, string>();
  let size = 0;
  for (const { number, content } of fields(model)) {
    if (number !== METADATA || content === undefined) continue;
    size += content.length + ENTRY;
    if (size > MOST_METADATA) throw new InvalidModel(`the model has more than ${MOST_METADATA} bytes of metadata`);
    let [key, value] = ["", ""];
    for (const part of fields(content)) {
      if (part.content === undefined) continue;
      if (part.number === KEY) key = text.decode(part.content);
      else if (part.number === VALUE) value = text.decode(part.content);
    }
    found.set(key, value);
  }
  return found;
}
