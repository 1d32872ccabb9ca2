/** From rows to the tensors of a signature. */

import { InvalidInput } from "./errors.js";
import type { Feature } from "./feature.js";
import { fromHalf, toHalf } from "./half.js";
import type { Signature } from "./signature.js";
import { misspelt } from "./suggestions.js";
import type { Elements } from "./tensors.js";
import { ARRAYS } from "./tensors.js";
import { listed, shown } from "./text.js";
import type { Read, Value } from "./values.js";
import { readValue } from "./values.js";

/** A row: its values in the order of the features, or by their names in any order and with other names besides. */
export type Row = readonly Value[] | Float32Array | Float64Array | Readonly<Record<string, Value>>;

/** Reads rows for one signature. */
export class RowReader {
  private readonly inputs: readonly InputColumns[];

  /**
   * @param signature one whose inputs have features.
   * @param dtype the type of the inputs of numbers, "float16", "float32" or "float64".
   */
  constructor(
    private readonly signature: Signature,
    dtype: string,
  ) {
    const places = new Map(signature.features.map((feature, place) => [feature, place]));
    this.inputs = signature.inputs.map(({ name, features }) => ({
      name,
      // All features of an input are categorical, or none is; and all are dates, or none is.
      dtype: features[0]!.kind === "categorical" ? "string" : features[0]!.kind === "date" ? "int64" : dtype,
      columns: features.map((feature) => [feature, places.get(feature)!]),
    }));
  }

  /**
   * The model's inputs for rows, by name, each of shape (rows, features of the input).
   *
   * @throws InvalidInput if a row lacks a value, or a value does not fit its feature; `row` and `feature` say which.
   */
  tensors(rows: readonly Row[]): Map<string, Elements> {
    if (!Array.isArray(rows)) throw new InvalidInput(`an array of rows is expected, found ${shown(rows)}`);
    // Also what an array has no element for.
    const table = Array.from(rows as readonly Row[], (row, place) => valuesOf(row, place, this.signature.features));
    return new Map(this.inputs.map((input) => [input.name, tensor(table, input)]));
  }
}

/** An input of a model, and the features in its columns, each with its place in a row. */
interface InputColumns {
  readonly name: string;
  readonly dtype: string;
  readonly columns: readonly (readonly [Feature, number])[];
}

function tensor(table: readonly ArrayLike<Value>[], { dtype, columns }: InputColumns): Elements {
  const [rows, width] = [table.length, columns.length];
  const data = dtype === "string" ? new Array<string>(rows * width) : new (ARRAYS.get(dtype)!)(rows * width);
  columns.forEach(([feature, place], column) => {
    for (let row = 0; row < rows; row += 1) {
      (data as Read[])[row * width + column] = element(table[row]![place], row, feature, dtype);
    }
  });
  return { dtype, shape: [rows, width], data };
}

/** A value as a tensor of a type holds it. */
function element(value: Value, row: number, feature: Feature, dtype: string): Read {
  try {
    const read = readValue(value, feature);
    if (dtype !== "float16") return read;
    const bits = toHalf(read as number);
    const isBeyond = Number.isFinite(read) && !Number.isFinite(fromHalf(bits));
    if (isBeyond) throw new InvalidInput("a value does not fit float16");
    return bits;
  } catch (error) {
    if (!(error instanceof InvalidInput)) throw error;
    throw new InvalidInput(`${feature.name}: ${error.message}`, row, feature.name);
  }
}

function valuesOf(row: Row, place: number, features: readonly Feature[]): ArrayLike<Value> {
  if (Array.isArray(row) || ArrayBuffer.isView(row)) {
    const values = row as readonly Value[];
    if (values.length === features.length) return values;
    const counted = features.length === 1 ? "1 value" : `${features.length} values`;
    const names = listed(features.map((one) => one.name));
    throw new InvalidInput(`a row has ${counted} (${names}), found ${values.length}`, place);
  }
  if (typeof row !== "object" || row === null) {
    throw new InvalidInput(`a row is an array, or an object by names, found ${shown(row)}`, place);
  }
  const named = row as Readonly<Record<string, Value>>;
  const absent = features.filter((one) => !Object.hasOwn(named, one.name) && !one.missing).map((one) => one.name);
  if (absent.length > 0) {
    const known = new Set(features.map((one) => one.name));
    const unknown = Object.keys(named).filter((name) => !known.has(name));
    throw new InvalidInput(`missing ${listed(absent)}${misspelt(unknown, absent)}`, place);
  }
  return features.map(({ name }) => (Object.hasOwn(named, name) ? named[name] : undefined));
}
