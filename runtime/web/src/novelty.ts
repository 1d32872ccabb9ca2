/** What in a row is unlike everything in the training data. */

import { dateText, MISSING_DATE } from "./dates.js";
import type { Feature } from "./feature.js";
import { fromHalf, halfRound } from "./half.js";
import type { Signature } from "./signature.js";
import type { Elements } from "./tensors.js";
import { quoted, rounded } from "./text.js";

const MISSING = "is missing, but never was in training";

/**
 * What in each row is new, and why.
 *
 * @param feed the model's inputs by name, each of shape (rows, features of the input).
 * @returns for each row the reasons by feature, in the order of a row's values.
 */
export function unseen(
  signature: Signature,
  feed: ReadonlyMap<string, Elements>,
  rows: number,
): Record<string, string>[] {
  const readers = new Map<Feature, (row: number) => string | undefined>();
  for (const { name, features } of signature.inputs) {
    const { data, dtype } = feed.get(name)!;
    features.forEach((feature, column) => {
      const place = (row: number): number => row * features.length + column;
      readers.set(feature, (row) => reason(data[place(row)]!, dtype, feature));
    });
  }
  return Array.from({ length: rows }, (_, row) => {
    const found = signature.features.map((feature) => [feature.name, readers.get(feature)!(row)] as const);
    return Object.fromEntries(found.filter((one): one is readonly [string, string] => one[1] !== undefined));
  });
}

/** Why an element of a tensor is new; undefined if it is not. */
function reason(element: number | bigint | string, dtype: string, feature: Feature): string | undefined {
  if (typeof element === "string") {
    if (element === "") return feature.missing === 0 ? MISSING : undefined;
    const isKnown = feature.categories.some((one) => String(one) === element);
    return isKnown ? undefined : `${quoted(element)} was not seen in training`;
  }
  const value = element === MISSING_DATE ? NaN : dtype === "float16" ? fromHalf(Number(element)) : Number(element);
  if (Number.isNaN(value)) return feature.missing === 0 ? MISSING : undefined;
  if (feature.minimum === undefined || feature.maximum === undefined) return undefined;
  // Rounded as the tensor rounds them, so that the only number of a constant column is within its range.
  const round = dtype === "float16" ? halfRound : dtype === "float32" ? Math.fround : Number;
  const [low, high] = [round(feature.minimum), round(feature.maximum)];
  const margin = (high - low) / 2;
  // Where the range is not finite, every number is near.
  if (!(value < low - margin || value > high + margin)) return undefined;
  const text = feature.kind === "date" ? dateText : (one: number): string => rounded(one, 6);
  if (low === high) return `${text(value)} was not seen in training, where it always is ${text(low)}`;
  return value < low
    ? `${text(value)} is far below the ${text(low)} seen in training`
    : `${text(value)} is far above the ${text(high)} seen in training`;
}
