/** The signature: what a model takes, and what its answer means. docs/artifact.md has the document. */

import type { Order } from "./dates.js";
import { InvalidModel } from "./errors.js";
import type { Feature, Kind } from "./feature.js";
import type { Plain } from "./json.js";
import { asList, asNumber, asObject, asText, Damage, member, optional, parsed, reading } from "./json.js";
import type { Notation } from "./notation.js";
import type { TensorSpec } from "./tensors.js";
import { isFloat } from "./tensors.js";
import { printable, shown, strip } from "./text.js";

export type Task = "binary_classification" | "multiclass_classification" | "regression";
export type Label = string | number | bigint | boolean;

/** An input tensor and the features in its columns, shape (batch, features); none for tensors such as images. */
export interface Input {
  readonly name: string;
  readonly features: readonly Feature[];
}

/** What a model takes and what its answer means, as `edge_runtime.Signature` has it. */
export interface Signature {
  readonly task: Task;
  readonly inputs: readonly Input[];
  /** The name of the output tensor, shape (batch, 1), or (batch, classes) in the multiclass task. */
  readonly output: string;
  /** The classes, in the order of the columns of `predictProba`; empty in regression. */
  readonly labels: readonly Label[];
  /** For the binary task: `labels[1]` is predicted if its probability is above it. */
  readonly threshold: number;
  /** The features of all inputs, in the order of a row's values. */
  readonly features: readonly Feature[];
}

const NEWEST = 4;
const NAME = "the signature";
const TASKS: readonly unknown[] = ["binary_classification", "multiclass_classification", "regression"];
const KINDS: readonly unknown[] = ["numeric", "boolean", "categorical", "date"];
const ORDERS: readonly unknown[] = ["ymd", "dmy", "mdy"];
// What every floating type of an output holds, float16 among them.
const MOST_THRESHOLD = 65504;
const LONGEST_UNIT = 30;
// Every second of the years 1 to 9999 is far less.
const MOST_SECONDS = 2 ** 53;

/**
 * The signature in `text`, as the metadata of an artifact carries it.
 *
 * @throws InvalidModel if it is damaged, or its schema is newer than this version reads.
 */
export function readSignature(text: string): Signature {
  return reading(NAME, () => read(parsed(text, NEWEST, NAME)));
}

function read(plain: Plain): Signature {
  const task = member(plain, "task");
  if (!TASKS.includes(task)) throw new Damage(`unknown task ${shown(task)}`);
  const isOld = (plain["schema_version"] as number) < 3;
  const inputs = asList(member(plain, "inputs")).map((one) => readInput(asObject(one), isOld));
  const all = inputs.flatMap((one) => one.features);
  if (inputs.length === 0) throw new Damage("it has no inputs");
  if (new Set(inputs.map((one) => one.features.length > 0)).size > 1) {
    throw new Damage("some of its inputs have features, and others have none");
  }
  checkDifferent(inputs, "two inputs have the same name");
  checkDifferent(all, "two features have the same name");
  const labels = task === "regression" ? [] : readLabels(member(plain, "labels"), task === "binary_classification");
  return {
    task: task as Task,
    inputs,
    output: asText(member(plain, "output")),
    labels,
    threshold: task === "binary_classification" ? readThreshold(member(plain, "threshold")) : 0.5,
    features: ordered(all, asList(optional(plain, "columns") ?? []).map(asText)),
  };
}

function readInput(plain: Plain, isOld: boolean): Input {
  const name = asText(member(plain, "name"));
  if (!isOld && !Object.hasOwn(plain, "features")) return { name, features: [] };
  const features = asList(member(plain, "features")).map((one) => readFeature(asObject(one)));
  const kinds = new Set(features.map((one) => one.kind));
  if (kinds.size === 0 || (kinds.size > 1 && (kinds.has("categorical") || kinds.has("date")))) {
    throw new Damage("an input must have features, and categorical features and dates must have one of their own");
  }
  return { name, features };
}

function readFeature(plain: Plain): Feature {
  const kind = member(plain, "kind");
  if (!KINDS.includes(kind)) throw new Damage(`unknown kind of feature ${shown(kind)}`);
  const number = (key: string): number | undefined => {
    const found = optional(plain, key);
    return found === undefined ? undefined : asNumber(found);
  };
  const order = optional(plain, "order") ?? "ymd";
  if (!ORDERS.includes(order)) throw new Damage(`unknown order of dates ${shown(order)}`);
  const [words, notation, baseline] = ["words", "notation", "baseline"].map((key) => optional(plain, key));
  const read = {
    words: words === undefined ? undefined : readWords(words),
    notation: notation === undefined ? undefined : readNotation(asObject(notation)),
  };
  const missing = number("missing");
  const categories = kind === "categorical" ? readCategories(member(plain, "categories")) : [];
  if (baseline !== undefined) checkBaseline(baseline, kind as Kind, missing, categories);
  return {
    name: asText(member(plain, "name")),
    kind: kind as Kind,
    minimum: number("minimum"),
    maximum: number("maximum"),
    missing,
    categories,
    notation: kind === "numeric" ? read.notation : undefined,
    words: kind === "boolean" ? read.words : undefined,
    order: kind === "date" ? (order as Order) : "ymd",
  };
}

const isCode = (one: unknown): boolean => Number.isInteger(one) || typeof one === "bigint";

function readCategories(plain: unknown): Feature["categories"] {
  const found = asList(plain);
  if (found.length === 0 || !(found.every((one) => typeof one === "string") || found.every(isCode))) {
    throw new Damage("the categories are neither all strings nor all integers");
  }
  if (new Set(found).size < found.length || found.includes("")) {
    throw new Damage("a category is empty, or appears twice");
  }
  return found as Feature["categories"];
}

/** Refuse a typical value that is none of its feature. Nothing is explained here, so that it is not kept. */
function checkBaseline(
  plain: unknown,
  kind: Kind,
  missing: number | undefined,
  categories: Feature["categories"],
): void {
  if (plain === "") {
    if (missing !== undefined) return;
    throw new Damage("the baseline is a missing value, and the feature does not accept one");
  }
  if (kind === "boolean" || kind === "categorical") {
    const isText = typeof categories[0] === "string";
    const isValue = kind === "boolean" ? typeof plain === "boolean" : isText ? typeof plain === "string" : isCode(plain);
    if (!isValue) throw new Damage(`the baseline ${shown(plain)} is not a value of its feature`);
  } else if (Math.abs(asNumber(plain)) > MOST_SECONDS && kind === "date") {
    throw new Damage(`the baseline ${shown(plain)} is not a date`);
  }
}

function readWords(plain: unknown): [string, string] {
  const found = asList(plain);
  if (found.length !== 2 || !found.every((one) => typeof one === "string")) {
    throw new Damage("the words of a boolean are not two strings");
  }
  const words = found as [string, string];
  const stripped = words.map((word) => strip(word));
  const differ = new Set(["", ...stripped.map((one) => one.toLowerCase())]).size === 3;
  if (!differ || words.some((one, place) => one !== stripped[place])) {
    throw new Damage("the words of a boolean are empty, alike or have white space around them");
  }
  return words;
}

function readNotation(plain: Plain): Notation {
  const part = (key: string, usual: string): string => asText(Object.hasOwn(plain, key) ? plain[key] : usual);
  const found = {
    decimal: part("decimal", "."),
    grouping: part("grouping", ""),
    prefix: part("prefix", ""),
    suffix: part("suffix", ""),
  };
  if (![".", ","].includes(found.decimal)) throw new Damage(`${shown(found.decimal)} is not a decimal mark`);
  if (!["", ",", ".", "'", " "].includes(found.grouping) || found.grouping === found.decimal) {
    throw new Damage(`${shown(found.grouping)} is not a mark between digits beside ${shown(found.decimal)}`);
  }
  for (const unit of [found.prefix, found.suffix]) {
    // A unit has a character that no number has, and no digit.
    const isUnit = unit === strip(unit) && [...unit].length <= LONGEST_UNIT && unit === printable(unit) &&
      !/\p{Nd}/u.test(unit) && /[^+\-\u2212.,'\u2019() ]/u.test(unit);
    if (unit && !isUnit) throw new Damage(`${shown(unit)} is not a unit`);
  }
  return found;
}

function readLabels(plain: unknown, isBinary: boolean): readonly Label[] {
  const found = asList(plain);
  const kindOf = (one: unknown): string => (typeof one === "bigint" ? "number" : typeof one);
  const kinds = new Set(found.map(kindOf));
  if (kinds.size > 1 || ![...kinds].every((kind) => ["string", "number", "boolean"].includes(kind))) {
    throw new Damage("the labels are not all of the same type");
  }
  if (found.length < 2 || (isBinary && found.length > 2)) {
    throw new Damage(`two different labels${isBinary ? "" : " or more"} are needed, found ${found.length}`);
  }
  // As strings they must differ too, since they may be keys.
  if (new Set(found.map(String)).size < found.length) throw new Damage("a label is there twice");
  for (const label of found) {
    if (typeof label === "bigint" && (label < -(2n ** 63n) || label >= 2n ** 64n)) {
      throw new Damage(`the label ${label} does not fit into 64 bits`);
    }
    if (typeof label === "string" && /[\n\v\f\r\x1c-\x1e\x85\u2028\u2029][^]/.test(label)) {
      throw new Damage(`the label ${shown(label)} has more than one line`);
    }
  }
  return found as readonly Label[];
}

function readThreshold(plain: unknown): number {
  const threshold = asNumber(plain);
  if (Math.abs(threshold) > MOST_THRESHOLD) {
    throw new Damage(`the threshold ${shown(threshold)} is beyond what a probability can be`);
  }
  return threshold;
}

function checkDifferent(named: readonly { name: string }[], problem: string): void {
  if (new Set(named.map((one) => one.name)).size < named.length) throw new Damage(problem);
}

function ordered(features: readonly Feature[], columns: readonly string[]): readonly Feature[] {
  if (columns.length === 0) return features;
  const byName = new Map(features.map((one) => [one.name, one]));
  const found = columns.map((name) => byName.get(name)).filter((one) => one !== undefined);
  if (found.length < columns.length || new Set(columns).size < features.length || columns.length > features.length) {
    throw new Damage("its columns are not the names of its features");
  }
  return found;
}

/**
 * Refuse a signature that describes other tensors than a model file declares, so that answers would be wrong.
 *
 * @throws InvalidModel
 */
export function checkDescribes(
  signature: Signature,
  inputs: readonly TensorSpec[],
  outputs: readonly TensorSpec[],
): void {
  const output = outputs.find((one) => one.name === signature.output);
  const columns = signature.task === "multiclass_classification" ? signature.labels.length : 1;
  const isOutput = output !== undefined && isFloat(output.dtype) && columnsOf(output) === columns;
  const hasInputs = inputs.length === signature.inputs.length && inputs.every((spec) => fits(spec, signature));
  // Numbers are read as one type.
  const types = new Set(inputs.map((one) => one.dtype).filter(isFloat));
  if (!isOutput || !hasInputs || (signature.features.length > 0 && types.size > 1)) {
    throw new InvalidModel("the signature does not describe this graph; export the model again");
  }
}

function fits(spec: TensorSpec, signature: Signature): boolean {
  const features = signature.inputs.find((one) => one.name === spec.name)?.features;
  if (features === undefined || features.length === 0) return features !== undefined;
  const kind = features[0]!.kind;
  const expected = kind === "categorical" ? "string" : kind === "date" ? "int64" : undefined;
  const isOfType = expected === undefined ? isFloat(spec.dtype) : spec.dtype === expected;
  return isOfType && columnsOf(spec) === features.length;
}

const columnsOf = ({ shape }: TensorSpec): unknown => (shape.length === 2 ? shape[1] : undefined);

/** The type of the inputs of numbers. */
export const numbersType = (inputs: readonly TensorSpec[]): string =>
  inputs.map((one) => one.dtype).find(isFloat) ?? "float32";
