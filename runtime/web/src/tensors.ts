/** Tensors: what a model file declares of them, and their elements. */

import { toHalf } from "./half.js";

export type Numbers =
  | Float32Array | Float64Array | Int8Array | Int16Array | Int32Array | BigInt64Array
  | Uint8Array | Uint16Array | Uint32Array | BigUint64Array;

/** The elements of a tensor in C order; float16 as its bits, booleans as 0 and 1. */
export interface Elements {
  readonly dtype: string;
  readonly shape: readonly number[];
  readonly data: Numbers | readonly string[];
}

/** One input or output as the model file declares it. */
export interface TensorSpec {
  readonly name: string;
  /** numpy's name for the type of its elements, or "string"; undefined if it is not a tensor. */
  readonly dtype: string | undefined;
  /** For each axis its size, its name if that is symbolic, undefined if it is unknown. */
  readonly shape: readonly (number | string | undefined)[];
}

interface ArrayOf {
  new (length: number): Numbers;
  new (buffer: ArrayBuffer): Numbers;
  readonly BYTES_PER_ELEMENT: number;
}

/** The typed arrays for numpy's types. */
export const ARRAYS: ReadonlyMap<string, ArrayOf> = new Map<string, ArrayOf>([
  ["float16", Uint16Array],
  ["float32", Float32Array],
  ["float64", Float64Array],
  ["int8", Int8Array],
  ["int16", Int16Array],
  ["int32", Int32Array],
  ["int64", BigInt64Array],
  ["uint8", Uint8Array],
  ["uint16", Uint16Array],
  ["uint32", Uint32Array],
  ["uint64", BigUint64Array],
  ["bool", Uint8Array],
]);

/** How many elements a shape has. */
export const sizeOf = (shape: readonly number[]): number => shape.reduce((one, other) => one * other, 1);

export const isFloat = (dtype: string | undefined): boolean => dtype?.startsWith("float") ?? false;
export const isInteger = (dtype: string | undefined): boolean => /^u?int/.test(dtype ?? "");
export const isBig = (dtype: string): boolean => dtype === "int64" || dtype === "uint64";

/** A number as the typed array for `dtype` takes it. */
export const encoded = (value: number | bigint, dtype: string): number | bigint => {
  if (isBig(dtype)) return BigInt(value);
  return dtype === "float16" ? toHalf(Number(value)) : Number(value);
};

/** Numbers as a tensor of `dtype`, which rounds them if it is floating. */
export function tensorOf(values: readonly (number | bigint)[], dtype: string, shape: readonly number[]): Elements {
  const data = new (ARRAYS.get(dtype)!)(values.length);
  values.forEach((value, place) => ((data as unknown as (number | bigint)[])[place] = encoded(value, dtype)));
  return { dtype, shape, data };
}

/** Its name, type and shape, such as `x: float32 [batch, 2]`. */
export const specText = ({ name, dtype, shape }: TensorSpec): string =>
  `${name}: ${dtype === undefined ? "not a tensor" : `${dtype} [${shape.map((size) => size ?? "?").join(", ")}]`}`;

/** Whether a tensor of this shape fits. */
export const takes = (spec: TensorSpec, shape: readonly number[]): boolean =>
  shape.length === spec.shape.length &&
  shape.every((size, axis) => typeof spec.shape[axis] !== "number" || spec.shape[axis] === size);
