/** The arrays of reference rows in a certificate; edge_runtime.contract.reference_arrays describes their forms. */

import type { Plain } from "./json.js";
import { asList, asNumber, asObject, asText, Damage, member } from "./json.js";
import type { Elements, Numbers } from "./tensors.js";
import { ARRAYS, isBig, isFloat, isInteger, sizeOf, tensorOf } from "./tensors.js";
import { shown } from "./text.js";

/** Elements from all over an output: those at the places 0, `stride`, 2 * `stride`, ... modulo its size. */
export interface Selected {
  /** The shape of the whole output. */
  readonly shape: readonly number[];
  readonly stride: number;
}

// The most elements of an array whose data does not hold them all, so that a damaged file cannot fill the memory.
const MOST_ELEMENTS = 2 ** 26;
const MOST_IN_ALL = 8 * MOST_ELEMENTS;
const MOST_AXES = 64;
const LIMITS: Record<string, [bigint, bigint]> = { bool: [0n, 255n] };
for (const bits of [8n, 16n, 32n, 64n]) {
  LIMITS[`int${bits}`] = [-(2n ** (bits - 1n)), 2n ** (bits - 1n) - 1n];
  LIMITS[`uint${bits}`] = [0n, 2n ** bits - 1n];
}

/** Refuse reference rows that would take much memory, before arrays are made of them. Throws Damage. */
export function checkReference(batches: readonly Plain[]): void {
  let elements = 0;
  for (const batch of batches) {
    for (const part of ["inputs", "expected", "tolerance"]) {
      for (const array of Object.values(asObject(member(batch, part))).map(asObject)) {
        // Arrays that are stored whole take no more memory than the file.
        if (isCompact(array)) elements += sizeOf(readShape(member(array, "shape")));
      }
    }
  }
  if (elements > MOST_IN_ALL) throw new Damage(`its reference rows have ${elements} numbers that it does not store`);
}

const isCompact = (array: Plain): boolean => Object.hasOwn(array, "generated") || Object.hasOwn(array, "stored");

/** The array that `plain` describes. Throws Damage if it is damaged. */
export function readArray(plain: Plain): Elements {
  const shape = readShape(member(plain, "shape"));
  const dtype = asText(member(plain, "dtype"));
  if (dtype === "string") {
    const data = asList(member(plain, "data")).map(asText);
    if (data.length !== sizeOf(shape)) throw new Damage("an array does not have its size");
    return { dtype, shape, data };
  }
  if (!ARRAYS.has(dtype)) throw new Damage(`an array has the unknown type ${shown(dtype)}`);
  if (isCompact(plain) && sizeOf(shape) > MOST_ELEMENTS) {
    throw new Damage(`an array has the shape ${shown(shape)}, too large for a reference row`);
  }
  if (Object.hasOwn(plain, "generated")) return generated(asObject(plain["generated"]), dtype, shape);
  const stored = Object.hasOwn(plain, "stored") ? asObject(plain["stored"]) : plain;
  const storedType = asText(member(stored, "dtype"));
  const data = decoded(asText(member(plain, "data")), storedType);
  const storedShape = readShape(member(stored, "shape"));
  if (data.length !== sizeOf(storedShape)) throw new Damage("an array does not have its size");
  if (stored === plain) return { dtype, shape, data };
  if (storedType !== dtype && !(isInteger(storedType) && isInteger(dtype))) {
    throw new Damage(`an array of ${dtype} is stored as ${storedType}`);
  }
  return { dtype, shape, data: broadcast(data, storedShape, shape, dtype) };
}

function decoded(text: string, dtype: string): Numbers {
  const array = ARRAYS.get(dtype);
  if (array === undefined) throw new Damage(`an array has the unknown type ${shown(dtype)}`);
  // atob takes white space and an end without padding too.
  if (text.length % 4 !== 0 || !/^[A-Za-z0-9+/]*={0,2}$/.test(text)) throw new Damage("an array is not base64");
  const binary = atob(text);
  if (binary.length % array.BYTES_PER_ELEMENT !== 0) throw new Damage("an array does not have its size");
  const bytes = new Uint8Array(binary.length);
  for (let at = 0; at < binary.length; at += 1) bytes[at] = binary.charCodeAt(at);
  if (dtype === "bool" && bytes.some((one) => one > 1)) throw new Damage("a boolean is neither true nor false");
  return new array(bytes.buffer);
}

/** `data` of a shape as an array of type `dtype`, repeated along the axes of `shape` as numpy does it. */
function broadcast(data: Numbers, from: readonly number[], shape: readonly number[], dtype: string): Numbers {
  const offset = shape.length - from.length;
  if (offset < 0 || from.some((size, axis) => size !== 1 && size !== shape[axis + offset])) {
    throw new Damage(`an array of shape ${shown(from)} does not become ${shown(shape)}`);
  }
  const strides = shape.map((_, axis) => {
    const isRepeated = axis < offset || from[axis - offset] === 1;
    return isRepeated ? 0 : sizeOf(from.slice(axis - offset + 1));
  });
  const found = new (ARRAYS.get(dtype)!)(sizeOf(shape));
  const target = found as unknown as (number | bigint)[];
  for (let at = 0; at < found.length; at += 1) {
    let [rest, place] = [at, 0];
    for (let axis = shape.length - 1; axis >= 0; axis -= 1) {
      place += (rest % shape[axis]!) * strides[axis]!;
      rest = Math.floor(rest / shape[axis]!);
    }
    const value = data[place]!;
    target[at] = isBig(dtype) ? BigInt(value) : Number(value);
  }
  return found;
}

/** Numbers that a device computes by itself: `offset + scale * step`, the step from MurmurHash3's finalizer. */
function generated(rule: Plain, dtype: string, shape: readonly number[]): Elements {
  const [seed, steps] = [member(rule, "seed"), member(rule, "steps")].map((one) => {
    if (!Number.isInteger(one) || (one as number) < 0 || (one as number) > 2 ** 32) {
      throw new Damage(`a generated array has the seed or number of steps ${shown(one)}`);
    }
    return one as number;
  }) as [number, number];
  const [offset, scale] = [member(rule, "offset"), asNumber(member(rule, "scale"))];
  if (steps === 0) throw new Damage("a generated array has 0 steps");
  checkRule(dtype, offset, scale, steps);
  const values: (number | bigint)[] = new Array(sizeOf(shape));
  // All in unsigned arithmetic of 32 bits.
  const start = Math.imul(0x9e3779b9, seed) >>> 0;
  for (let at = 0; at < values.length; at += 1) {
    let x = (at + start) >>> 0;
    x = Math.imul(x ^ (x >>> 16), 0x85ebca6b);
    x = Math.imul(x ^ (x >>> 13), 0xc2b2ae35);
    x = (x ^ (x >>> 16)) >>> 0;
    const step = (BigInt(x) * BigInt(steps)) >> 32n;
    values[at] = isFloat(dtype) ? asNumber(offset) + scale * Number(step) : BigInt(offset as number) + step;
  }
  return tensorOf(dtype === "bool" ? values.map((one) => Number(one !== 0n)) : values, dtype, shape);
}

function checkRule(dtype: string, offset: unknown, scale: number, steps: number): void {
  if (isFloat(dtype)) {
    asNumber(offset);
    // A power of two, so that the product is exact.
    if (!(scale > 0) || !Number.isInteger(Math.log2(scale)) || 2 ** Math.log2(scale) !== scale) {
      throw new Damage(`a generated array has the scale ${shown(scale)}, no power of two`);
    }
    return;
  }
  const [least, most] = LIMITS[dtype]!;
  const first = Number.isInteger(offset) || typeof offset === "bigint" ? BigInt(offset as number) : undefined;
  if (first === undefined || scale !== 1 || first < least || first + BigInt(steps) - 1n > most) {
    throw new Damage(`a generated array of ${dtype} has the offset ${shown(offset)} and ${steps} steps`);
  }
}

/** The selection that `plain` describes, of which `count` elements are kept. Throws Damage if it is damaged. */
export function readSelected(plain: Plain, count: number): Selected {
  const shape = readShape(member(plain, "shape"));
  const stride = member(plain, "stride");
  const size = sizeOf(shape);
  const isStride = Number.isInteger(stride) && (stride as number) > 0 && (stride as number) <= Math.max(1, size);
  if (!(count <= size && size < 2 ** 40) || !isStride) {
    throw new Damage(`${count} elements are selected of the shape ${shown(shape)} with the stride ${shown(stride)}`);
  }
  let [one, other] = [stride as number, size];
  while (other > 0) [one, other] = [other, one % other];
  if (one !== 1) {
    throw new Damage(`the stride ${shown(stride)} does not reach all elements of the shape ${shown(shape)}`);
  }
  return { shape, stride: stride as number };
}

/** The place of the element `at` of a selection. */
export const placeOf = ({ shape, stride }: Selected, at: number): number =>
  Number((BigInt(at) * BigInt(stride)) % BigInt(Math.max(1, sizeOf(shape))));

function readShape(plain: unknown): readonly number[] {
  const shape = asList(plain);
  if (shape.length > MOST_AXES) throw new Damage(`an array has ${shape.length} axes`);
  if (!shape.every((size) => Number.isSafeInteger(size) && (size as number) >= 0)) {
    throw new Damage(`an array has the shape ${shown(plain)}`);
  }
  return shape as readonly number[];
}

