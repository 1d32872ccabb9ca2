/** One output on reference rows, compared with torch's. */

import type { ReferenceBatch } from "./certificate.js";
import { fromHalf, halfRound } from "./half.js";
import { placeOf } from "./reference-arrays.js";
import type { Elements } from "./tensors.js";
import { isFloat, sizeOf } from "./tensors.js";
import { floatText, rounded } from "./text.js";

/** One output on all reference rows of one kind. */
export interface Check {
  /** The kind of rows. */
  readonly kind: string;
  /** The output's name. */
  readonly output: string;
  /** The number of reference rows. */
  readonly rows: number;
  /** The largest |output - torch's| of an element; infinite if integers differ, or if nothing can be compared. */
  readonly error: number;
  /** The tolerance of the worst element, the one that used the largest fraction of its own. */
  readonly tolerance: number;
  /** That fraction, error / tolerance; infinite if the tolerance is 0 and the error is not. */
  readonly toleranceUsed: number;
  /** Why the check failed; undefined if it passed. */
  readonly problem?: string;
}

/** The check of an output that is there on both sides. */
export function compared(batch: ReferenceBatch, name: string, output: Elements): Check {
  const expected = batch.expected.get(name)!;
  const selected = batch.selected.get(name);
  const shape = selected?.shape ?? expected.shape;
  if (output.dtype !== expected.dtype || output.shape.join() !== shape.join()) {
    const found = `${output.dtype} [${output.shape.join(", ")}]`;
    return incomparable(batch, name, `${name} is ${found}, but torch's is ${expected.dtype} [${shape.join(", ")}]`);
  }
  const tolerances = batch.tolerance.get(name)!.data as Float32Array;
  const place = (at: number): number => (selected === undefined ? at : placeOf(selected, at));
  let [error, tolerance, used, worst, fails] = [0, 0, 0, -1, false];
  for (let at = 0; at < tolerances.length; at += 1) {
    const allowed = tolerances[at]!;
    // Integers and booleans that float32 cannot decide are excluded.
    if (!Number.isFinite(allowed)) continue;
    const apart = distance(output, place(at), expected, at);
    const fraction = apart === 0 ? 0 : apart / allowed;
    error = Math.max(error, apart);
    fails ||= apart > allowed;
    if (worst < 0 || fraction > used) [used, tolerance, worst] = [fraction, allowed, at];
  }
  const check = { kind: batch.kind, output: name, rows: batch.rows, error, tolerance, toleranceUsed: used };
  if (!fails) return check;
  const index = shape.length > 0 ? `[${indexOf(place(worst), shape).join(", ")}]` : "";
  const [given, wanted] = [textOf(output, place(worst)), textOf(expected, worst)];
  return {
    ...check,
    problem: `${name}${index} is ${given}, but torch's is ${wanted}, with a tolerance of ${rounded(tolerance, 2)}`,
  };
}

/** The check of an output that cannot be compared. */
export const incomparable = (batch: ReferenceBatch, output: string, problem: string): Check => ({
  kind: batch.kind,
  output,
  rows: batch.rows,
  error: Infinity,
  tolerance: 0,
  toleranceUsed: Infinity,
  problem,
});

/** The checks of several batches of one kind as one: the worst, with all rows and the largest error. */
export function merged(checks: readonly Check[]): Check {
  const isWorse = (one: Check, other: Check): boolean => {
    const [fails, otherFails] = [one.problem !== undefined, other.problem !== undefined];
    return fails === otherFails ? one.toleranceUsed > other.toleranceUsed : fails;
  };
  return {
    ...checks.reduce((worst, one) => (isWorse(one, worst) ? one : worst)),
    rows: checks.reduce((sum, one) => sum + one.rows, 0),
    error: Math.max(...checks.map((one) => one.error)),
  };
}

/** |one - other|: 0 if both are the same, also NaN or infinity; infinity if only one is NaN, or other types differ. */
function distance(output: Elements, place: number, expected: Elements, at: number): number {
  if (!isFloat(expected.dtype)) return output.data[place] === expected.data[at] ? 0 : Infinity;
  const [one, other] = [numberAt(output, place), numberAt(expected, at)];
  if (one === other || (Number.isNaN(one) && Number.isNaN(other))) return 0;
  const apart = Math.abs(one - other);
  return Number.isNaN(apart) ? Infinity : apart;
}

function numberAt({ dtype, data }: Elements, place: number): number {
  const value = Number(data[place]);
  return dtype === "float16" ? fromHalf(value) : value;
}

/** An element as numpy writes it: a float with as few digits as tell it from others of its type. */
function textOf(array: Elements, place: number): string {
  if (array.dtype === "bool") return array.data[place] ? "True" : "False";
  if (!isFloat(array.dtype)) return String(array.data[place]);
  const number = numberAt(array, place);
  if (array.dtype === "float64") return floatText(number);
  return shortest(number, array.dtype === "float16" ? halfRound : Math.fround);
}

/** A float with as few digits as tell it from others of its type, in which `round` gives the nearest one. */
export function shortest(number: number, round: (number: number) => number = Math.fround): string {
  const isEnough = (digits: number): boolean => digits === 9 || round(Number(number.toPrecision(digits))) === number;
  // As many as most need.
  let digits = 7;
  while (!isEnough(digits)) digits += 1;
  while (digits > 1 && isEnough(digits - 1)) digits -= 1;
  return floatText(Number(number.toPrecision(digits)));
}

function indexOf(place: number, shape: readonly number[]): number[] {
  let rest = place;
  return shape.map((_, axis) => {
    const size = sizeOf(shape.slice(axis + 1));
    const index = Math.floor(rest / size);
    rest -= index * size;
    return index;
  });
}
