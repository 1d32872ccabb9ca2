/** From rows to the tensors of a signature. */

import { InvalidInput } from "./errors.js";
import type { Feature } from "./feature.js";
import { halfRound } from "./half.js";
import type { Signature } from "./signature.js";
import { misspelt } from "./suggestions.js";
import type { Elements } from "./tensors.js";
import { tensorOf } from "./tensors.js";
import { listed, shown } from "./text.js";
import type { Read, Value } from "./values.js";
import { readValue } from "./values.js";

/** A row: its values in the order of the features, or by their names in any order and with other names besides. */
export type Row = readonly Value[] | Float32Array | Float64Array | Readonly<Record<string, Value>>;

/** Reads rows for one signature. */
export class RowReader {
  /**
   * @param signature one whose inputs have features.
   * @param dtype the type of the inputs of numbers, "float16", "float32" or "float64".
   */
  constructor(
    private readonly signature: Signature,
    private readonly dtype: string,
  ) {}

  /**
   * The model's inputs for rows, by name, each of shape (rows, features of the input).
   *
   * @throws InvalidInput if a row lacks a value, or a value does not fit its feature; `row` and `feature` say which.
   */
  tensors(rows: readonly Row[]): Map<string, Elements> {
    if (!Array.isArray(rows)) throw new InvalidInput(`an array of rows is expected, found ${shown(rows)}`);
    const { features, inputs } = this.signature;
    const table = rows.map((row, place) => valuesOf(row, place, features));
    const columns = new Map(features.map((feature, column) => [feature, column]));
    return new Map(
      inputs.map((input) => {
        const read = input.features.map((feature) => this.column(table, columns.get(feature)!, feature));
        const values = rows.flatMap((_, row) => read.map((column) => column[row]!));
        return [input.name, this.tensor(input.features[0]!, values, [rows.length, input.features.length])];
      }),
    );
  }

  private column(table: readonly ArrayLike<Value>[], column: number, feature: Feature): Read[] {
    return table.map((values, row) => {
      try {
        return this.fitting(readValue(values[column], feature));
      } catch (error) {
        if (!(error instanceof InvalidInput)) throw error;
        throw new InvalidInput(`${feature.name}: ${error.message}`, row, feature.name);
      }
    });
  }

  private fitting(value: Read): Read {
    const isNumber = typeof value === "number" && Number.isFinite(value);
    if (isNumber && this.dtype === "float16" && !Number.isFinite(halfRound(value))) {
      throw new InvalidInput("a value does not fit float16");
    }
    return value;
  }

  private tensor(first: Feature, values: Read[], shape: readonly number[]): Elements {
    // All features of an input are categorical, or none is; and all are dates, or none is.
    if (first.kind === "categorical") return { dtype: "string", shape, data: values as string[] };
    return tensorOf(values as number[], first.kind === "date" ? "int64" : this.dtype, shape);
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
