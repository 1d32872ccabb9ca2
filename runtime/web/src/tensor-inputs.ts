/** From numbers and strings to the tensors that a model declares: inputs without named features, such as images. */

import { InvalidInput } from "./errors.js";
import { halfRound } from "./half.js";
import { suggestion } from "./suggestions.js";
import type { Elements, TensorSpec } from "./tensors.js";
import { ARRAYS, isFloat, sizeOf, specText, takes, tensorOf } from "./tensors.js";
import { floatText, listed, shown } from "./text.js";

/** The elements of a tensor in C order, and its shape. */
export interface Tensor {
  readonly data: ArrayLike<number> | ArrayLike<bigint> | ArrayLike<boolean> | ArrayLike<string>;
  readonly shape: readonly number[];
}

const MOST_NAMED = 10;

/**
 * The model's inputs.
 *
 * @param given a tensor for each input by name; or one tensor, if the model has one input.
 * @param batch the axis of the rows; a tensor may lack it if it is one row.
 * @throws InvalidInput if an input is missing or unknown, or does not have the declared type and shape.
 */
export function readTensors(
  given: Tensor | Readonly<Record<string, Tensor>>,
  inputs: readonly TensorSpec[],
  batch?: number | string,
): Map<string, Elements> {
  const byName = isTensor(given) ? only(given, inputs) : given;
  if (typeof byName !== "object" || byName === null) {
    throw new InvalidInput(`${declared(inputs)}, found ${shown(given)}`);
  }
  const missing = inputs.map((one) => one.name).filter((name) => !Object.hasOwn(byName, name));
  const unknown = Object.keys(byName).filter((name) => !inputs.some((one) => one.name === name));
  const found = missing.length > 0 ? [`missing ${listed(missing)}`] : [];
  if (unknown.length > 0) {
    const meant = suggestion(unknown[0]!, missing.length > 0 ? missing : inputs.map((one) => one.name));
    found.push(`unknown ${listed(unknown)}${meant}`);
  }
  if (found.length > 0) throw new InvalidInput(`${declared(inputs)}: ${found.join(", ")}`);
  const feed = new Map(inputs.map((spec) => [spec.name, readTensor(byName[spec.name]!, spec, batch)]));
  checkAxes(feed, inputs);
  return feed;
}

function isTensor(given: unknown): given is Tensor {
  const one = given as Partial<Tensor> | null;
  return typeof one === "object" && one !== null && Array.isArray(one.shape) && typeof one.data === "object";
}

function only(given: Tensor, inputs: readonly TensorSpec[]): Record<string, Tensor> {
  if (inputs.length !== 1) throw new InvalidInput(`${declared(inputs)}: give a tensor for each of them, by its name`);
  return { [inputs[0]!.name]: given };
}

/** What a model takes, in words. */
export function declared(inputs: readonly TensorSpec[]): string {
  const specs = inputs.map(specText);
  if (specs.length > MOST_NAMED) specs.splice(MOST_NAMED, specs.length, `and ${specs.length - MOST_NAMED} more`);
  return `the model takes ${specs.join("; ") || "no inputs"}`;
}

function readTensor(given: Tensor, spec: TensorSpec, batch: number | string | undefined): Elements {
  const { name, dtype } = spec;
  if (!isTensor(given)) {
    throw new InvalidInput(`${name}: an object with data and shape is expected, found ${shown(given)}`);
  }
  let shape: readonly number[] = [...given.shape];
  if (batch !== undefined && spec.shape[0] === batch && shape.length === spec.shape.length - 1) shape = [1, ...shape];
  const values: readonly unknown[] = Array.from(given.data as ArrayLike<unknown>);
  if (!shape.every((size) => Number.isInteger(size) && size >= 0) || sizeOf(shape) !== values.length) {
    throw new InvalidInput(`${name}: ${values.length} elements do not have the shape ${shown(given.shape)}`);
  }
  // No axes are declared for a scalar, and for a tensor of any shape too.
  if (spec.shape.length > 0 && !takes(spec, shape)) {
    throw new InvalidInput(`the model takes ${specText(spec)}, found shape [${shape.join(", ")}]`);
  }
  if (dtype === "string") {
    const other = values.find((one) => typeof one !== "string");
    if (other !== undefined) throw new InvalidInput(`${name}: strings are expected, found ${shown(other)}`);
    return { dtype, shape, data: values as string[] };
  }
  if (dtype === undefined || !ARRAYS.has(dtype)) {
    throw new InvalidInput(`${name}: this package does not take ${dtype ?? "sequences and maps"}`);
  }
  for (const value of values) checkNumber(value, dtype, name);
  return tensorOf(values.map((one) => (typeof one === "boolean" ? Number(one) : (one as number))), dtype, shape);
}

/** Refuse what `dtype` does not hold: an integer type must hold the very same number, a floating one rounds it. */
function checkNumber(value: unknown, dtype: string, name: string): void {
  if (typeof value !== "number" && typeof value !== "bigint" && typeof value !== "boolean") {
    throw new InvalidInput(`${name}: ${dtype} is expected, found ${shown(value)}`);
  }
  const number = Number(value);
  if (isFloat(dtype)) {
    const round = dtype === "float16" ? halfRound : dtype === "float32" ? Math.fround : Number;
    if (Number.isFinite(number) && !Number.isFinite(round(number))) {
      throw new InvalidInput(`${name}: ${floatText(number)} does not fit ${dtype}`);
    }
    return;
  }
  if (!Number.isInteger(number)) throw new InvalidInput(`${name}: ${dtype} is expected, found ${shown(value)}`);
  const isUnsigned = dtype === "bool" || dtype.startsWith("u");
  const bits = BigInt(dtype === "bool" ? 1 : Number(/[0-9]+$/.exec(dtype)![0]));
  const [least, most] = isUnsigned ? [0n, 2n ** bits - 1n] : [-(2n ** (bits - 1n)), 2n ** (bits - 1n) - 1n];
  const exact = BigInt(value);
  if (exact < least || exact > most) throw new InvalidInput(`${name}: ${exact} does not fit ${dtype}`);
}

/** Refuse tensors whose axes of the same name have different sizes. */
function checkAxes(feed: ReadonlyMap<string, Elements>, inputs: readonly TensorSpec[]): void {
  const sizes = new Map<string, [number, string]>();
  for (const { name, shape } of inputs) {
    shape.forEach((axis, place) => {
      const size = feed.get(name)!.shape[place];
      if (typeof axis !== "string" || size === undefined) return;
      const known = sizes.get(axis);
      if (known === undefined) sizes.set(axis, [size, name]);
      else if (known[0] !== size) {
        throw new InvalidInput(`${axis} must be the same everywhere: ${known[1]} has ${known[0]}, ${name} ${size}`);
      }
    });
  }
}
