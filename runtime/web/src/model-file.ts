/** A model's file: its bytes, and what its metadata says. onnxruntime-web does not show it. */

import { InvalidModel } from "./errors.js";
import { Table } from "./flatbuffers.js";
import { checkNodes } from "./model-scan.js";
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
// Numbers of fields in onnx.proto: of ModelProto and StringStringEntryProto,
const [GRAPH, METADATA] = [7, 14];
const [KEY, VALUE] = [1, 2];
// and the ways from GraphProto to the names of inputs and outputs, and to those of their axes.
const DECLARED = [11, 12];
const NAME = [1];
const AXIS = [2, 1, 2, 1, 2];
// The same in ORT format: table InferenceSession has the model, that the metadata, and that keys and values.
const ORT_FORMAT = "ORTM";
const [ORT_MODEL, ORT_METADATA, ORT_KEY, ORT_VALUE] = [1, 9, 0, 1];
const MOST_METADATA = 256 * 1024 ** 2;
// What an entry takes besides its text.
const ENTRY = 100;

type Entry = [Uint8Array, Uint8Array];

/**
 * What a model's file says of itself.
 *
 * @param content an .onnx or .ort file.
 * @throws InvalidModel if it is not a model, has more than 256 MiB of metadata or 200,000 nodes, or its
 *   weights elsewhere.
 */
export function readModelFile(content: Uint8Array): ModelFile {
  const entries = new Map<string, string>();
  const text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
  const isOrtFormat = String.fromCharCode(...content.subarray(4, 8)) === ORT_FORMAT;
  let size = 0;
  try {
    for (const [key, value] of isOrtFormat ? inOrtFile(content) : inOnnxFile(content)) {
      size += key.length + value.length + ENTRY;
      if (size > MOST_METADATA) throw new InvalidModel(`the model has more than ${MOST_METADATA} bytes of metadata`);
      entries.set(text.decode(key), text.decode(value));
    }
    // ONNX Runtime verifies files in ORT format itself, and they have no functions.
    if (!isOrtFormat) checkNodes(content);
  } catch (error) {
    if (error instanceof InvalidModel) throw error;
    if (error instanceof TypeError) throw new InvalidModel("the model is damaged: its names are not UTF-8 text");
    if (!(error instanceof NotAMessage || error instanceof RangeError)) throw error;
    throw new InvalidModel("it is not a model that ONNX Runtime can load (it is not an ONNX file, or damaged)");
  }
  if (entries.has(DATA)) {
    throw new InvalidModel("the model has its weights in a file beside it, which is too large for onnxruntime-web");
  }
  return { content, signature: entries.get(SIGNATURE), certificate: entries.get(CERTIFICATE) };
}

function* inOnnxFile(model: Uint8Array): Generator<Entry> {
  for (const { number, content } of fields(model)) {
    if (content === undefined) continue;
    if (number === GRAPH) checkNames(content);
    if (number !== METADATA) continue;
    const entry: Entry = [new Uint8Array(), new Uint8Array()];
    for (const part of fields(content)) {
      if (part.content === undefined) continue;
      if (part.number === KEY) entry[0] = part.content;
      else if (part.number === VALUE) entry[1] = part.content;
    }
    yield entry;
  }
}

/** Refuse names that are not UTF-8, of which onnxruntime-web would make other ones. Throws TypeError. */
function checkNames(graph: Uint8Array): void {
  const text = new TextDecoder("utf-8", { fatal: true });
  for (const { number, content } of fields(graph)) {
    if (content === undefined || !DECLARED.includes(number)) continue;
    for (const way of [NAME, AXIS]) for (const name of at(content, way)) text.decode(name);
  }
}

/** What a message has at the end of a way of fields. */
function at(message: Uint8Array, [first, ...rest]: readonly number[]): Uint8Array[] {
  const found = [...fields(message)].filter((one) => one.number === first && one.content !== undefined);
  return found.flatMap(({ content }) => (rest.length === 0 ? [content!] : at(content!, rest)));
}

function* inOrtFile(model: Uint8Array): Generator<Entry> {
  const entries = Table.root(model).table(ORT_MODEL)?.tables(ORT_METADATA) ?? [];
  for (const entry of entries) yield [entry.bytes(ORT_KEY), entry.bytes(ORT_VALUE)];
}
