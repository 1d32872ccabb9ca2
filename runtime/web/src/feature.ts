/** A feature: one column of a row. */

import type { Order } from "./dates.js";
import type { Notation } from "./notation.js";
import { floatOf } from "./numbers.js";
import { strip } from "./text.js";

export type Kind = "numeric" | "boolean" | "categorical" | "date";

/** One column of a row, as `edge_runtime.Feature` has it. */
export interface Feature {
  readonly name: string;
  readonly kind: Kind;
  /** The smallest number in training, in the column's own unit, that of dates seconds since 1970-01-01 UTC. */
  readonly minimum?: number | undefined;
  /** The largest number in training, likewise. */
  readonly maximum?: number | undefined;
  /** The fraction of training rows without a value, 0 to 1; undefined if the model takes no missing values here. */
  readonly missing?: number | undefined;
  /** For the categorical kind, the categories in training: all strings, or all integers. */
  readonly categories: readonly string[] | readonly (number | bigint)[];
  /** For the numeric kind, how numbers in text are written; undefined if as programs write them. */
  readonly notation?: Notation | undefined;
  /** For the boolean kind, the words for false and for true, besides false and true, 0 and 1. */
  readonly words?: readonly [string, string] | undefined;
  /** For the date kind, the order of day, month and year in text that does not begin with the year. */
  readonly order: Order;
}

/** Whether its categories are integers. */
export const hasCodes = ({ categories }: Feature): boolean =>
  categories.length > 0 && typeof categories[0] !== "string";

/** The categories of a feature as a tensor holds them, and which of them numbers and booleans stand for. */
export interface Spellings {
  readonly texts: ReadonlySet<string>;
  readonly ofNumber: ReadonlyMap<number, string>;
  readonly ofBoolean: ReadonlyMap<boolean, string>;
  /** Whether a category is spelled as a number. */
  readonly hasNumbers: boolean;
}

const cache = new WeakMap<Feature, Spellings>();

/** How the categories of a feature are spelled. A category such as "007" is a name: no number stands for it. */
export function spellings(feature: Feature): Spellings {
  let found = cache.get(feature);
  if (found === undefined) cache.set(feature, (found = spellingsOf(feature.categories.map(String))));
  return found;
}

function spellingsOf(categories: readonly string[]): Spellings {
  const ofNumber = new Map<number, string>();
  const ofBoolean = new Map<boolean, string>();
  let hasNumbers = false;
  for (const text of categories) {
    const number = floatOf(text);
    if (number !== undefined && Number.isFinite(number)) {
      hasNumbers = true;
      if (!hasLeadingZero(text) && !ofNumber.has(number)) ofNumber.set(number, text);
    }
    const lower = text.toLowerCase();
    const isTrue = lower === "true";
    if ((isTrue || lower === "false") && !ofBoolean.has(isTrue)) ofBoolean.set(isTrue, text);
  }
  return { texts: new Set(categories), ofNumber, ofBoolean, hasNumbers };
}

function hasLeadingZero(text: string): boolean {
  const digits = strip(text).replace(/^[+-]+/, "");
  return digits.startsWith("0") && /^\p{Nd}/u.test(digits.slice(1));
}
