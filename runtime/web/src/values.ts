/** What one value of a row means: the rules of edge_runtime.contract.values. */

import { dateExample, inRange, MISSING_DATE, parseDate } from "./dates.js";
import { InvalidInput } from "./errors.js";
import type { Feature } from "./feature.js";
import { hasCodes, spellings } from "./feature.js";
import { parseNotation } from "./notation.js";
import { FLOAT32_MAX, floatOf, parseNumber, plainNumber } from "./numbers.js";
import { isWellFormed, numberText, quoted, shortened, shown, strip } from "./text.js";

/** A value as a person, a CSV file or JSON gives it. */
export type Value = string | number | bigint | boolean | Date | null | undefined;

/** A value as tensors hold it: numbers, seconds of dates, strings of categories. */
export type Read = number | bigint | string;

const MISSING_WORDS = new Set(["", "NA", "N/A", "n/a", "NaN", "nan", "null", "NULL", "?"]);

/** Whether a value is missing: a word for it, null, undefined, NaN, or an invalid Date. */
export function isMissing(value: Value): boolean {
  if (typeof value === "string") return MISSING_WORDS.has(strip(value));
  if (value === null || value === undefined) return true;
  return value instanceof Date ? Number.isNaN(value.getTime()) : value !== value;
}

/**
 * What the tensor holds for a value.
 *
 * @throws InvalidInput if it is not a value of this feature.
 */
export function readValue(value: Value, feature: Feature): Read {
  return isMissing(value) ? missing(value, feature) : present(value, feature);
}

function missing(value: Value, feature: Feature): Read {
  if (feature.missing !== undefined) {
    return feature.kind === "date" ? MISSING_DATE : feature.kind === "categorical" ? "" : NaN;
  }
  if (feature.kind !== "numeric") {
    throw new InvalidInput("the value is missing, and missing values are not accepted for this feature");
  }
  return number(value);
}

function present(value: Value, feature: Feature): Read {
  switch (feature.kind) {
    case "numeric":
      return feature.notation !== undefined && typeof value === "string"
        ? parseNotation(feature.notation, value)
        : number(value);
    case "boolean":
      return boolean(value, feature.words);
    case "date":
      return BigInt(date(value, feature));
    default:
      return hasCodes(feature) ? code(value) : category(value, feature);
  }
}

function number(value: Value): number {
  if (typeof value === "string") return parseNumber(value);
  if (typeof value !== "number" && typeof value !== "boolean" && typeof value !== "bigint") {
    throw new InvalidInput(`${shown(value)} is not a number`);
  }
  const found = Number(value);
  if (typeof value === "bigint" && !Number.isFinite(found)) throw new InvalidInput("the number does not fit float32");
  if (Math.abs(found) > FLOAT32_MAX && Number.isFinite(found)) {
    throw new InvalidInput(`${shortened(numberText(found))} does not fit float32`);
  }
  return found;
}

function boolean(value: Value, words: readonly [string, string] | undefined): number {
  const found = typeof value === "string" ? booleanIn(value, words) : number(value);
  if (found !== 0 && found !== 1) {
    const known = words === undefined
      ? "neither true nor false"
      : `neither ${quoted(words[1])} (true) nor ${quoted(words[0])} (false)`;
    throw new InvalidInput(`${shown(value)} is ${known}`);
  }
  return found;
}

function booleanIn(text: string, words: readonly [string, string] | undefined): number | undefined {
  const lower = strip(text).toLowerCase();
  if (lower === "true" || lower === "false") return Number(lower === "true");
  const place = words?.findIndex((word) => word.toLowerCase() === lower) ?? -1;
  return place >= 0 ? place : floatOf(text);
}

function date(value: Value, feature: Feature): number {
  if (typeof value === "string") return parseDate(value, feature.order);
  if (value instanceof Date) return inRange(Math.floor(value.getTime() / 1000), value.toISOString());
  throw new InvalidInput(`${shown(value)} is not a date; write it like ${quoted(dateExample(feature.order))}`);
}

/** How a value is spelled as a category: a string without white space around it, 3 and 3.0 as "3", true as "true". */
function spelled(value: Value): string {
  if (typeof value === "string") {
    const text = strip(value);
    // ONNX Runtime takes UTF-8, and takes a null character for the end of it.
    if (text.includes("\0") || !isWellFormed(text)) {
      throw new InvalidInput(`${shown(text)} has a character that a tensor of strings cannot hold`);
    }
    return text;
  }
  if (typeof value === "boolean" || typeof value === "bigint") return String(value);
  if (typeof value === "number") return Number.isInteger(value) ? BigInt(value).toString() : numberText(value);
  throw new InvalidInput(`${shown(value)} is neither a string nor a number`);
}

function category(value: Value, feature: Feature): string {
  const text = spelled(value);
  const { texts, ofNumber, ofBoolean, hasNumbers } = spellings(feature);
  if (typeof value === "string" || texts.has(text)) return text;
  // The training table may spell 1 as "1.0". "007" is a name, and 7 is not guessed to be it.
  const found = typeof value === "boolean" ? ofBoolean.get(value) : ofNumber.get(Number(value));
  if (found !== undefined) return found;
  // Among words it is a mistake; among words that are numbers, another one that training never saw.
  const isOfKind = typeof value === "boolean" ? ofBoolean.size > 0 : hasNumbers;
  if (feature.categories.length > 0 && !isOfKind) {
    const first = quoted(String(feature.categories[0]));
    throw new InvalidInput(
      `${shortened(shown(value))} is not a string; the categories are strings such as ${first}`,
    );
  }
  return text;
}

function code(value: Value): string {
  let given = value;
  if (typeof value === "string") {
    const plain = plainNumber(value);
    if (/^[+-]?[0-9]+$/.test(plain)) return BigInt(plain.replace(/^\+/, "")).toString();
    given = parseNumber(value);
  }
  if (typeof given === "boolean" || !(typeof given === "bigint" || Number.isInteger(number(given)))) {
    throw new InvalidInput(`${shown(given)} is not an integer`);
  }
  return BigInt(given as number | bigint).toString();
}
