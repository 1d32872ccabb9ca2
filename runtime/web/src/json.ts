/** The JSON documents in an artifact's metadata: how they are read, and how they are refused. */

import { InvalidModel } from "./errors.js";
import { isWellFormed, shown } from "./text.js";

/** Why a document is not what it should be; `reading` puts its name before the message. */
export class Damage extends Error {}

/** An object of a document that was not checked yet. */
export type Plain = Readonly<Record<string, unknown>>;

/**
 * What `read` makes of a document.
 *
 * @param name what to call it in messages, such as "the signature".
 * @throws InvalidModel if it is damaged.
 */
export function reading<Result>(name: string, read: () => Result): Result {
  try {
    return read();
  } catch (error) {
    if (!(error instanceof Damage)) throw error;
    throw new InvalidModel(`${name} is damaged: ${error.message}`);
  }
}

// Half of a character, which no text in UTF-8 has, marks an integer that a float64 may not hold.
const MARK = "\ud800";
const LONG_INTEGER = /(?<![\d.eE+-])-?\d{16,}(?![\d.eE])/g;

/**
 * The document in `text`: an object of a schema version up to `newest`. Integers beyond 2**53 are of type bigint.
 *
 * @throws Damage if it is not one; InvalidModel if its schema is newer.
 */
export function parsed(text: string, newest: number, name: string): Plain {
  let document: unknown;
  try {
    document = JSON.parse(text);
  } catch (error) {
    throw new Damage((error as Error).message);
  }
  check(document);
  if (/[0-9]{16}/.test(text)) document = restored(JSON.parse(marked(text)));
  if (!isObject(document)) throw new Damage("it is not an object");
  const version = member(document, "schema_version");
  if (!Number.isInteger(version) || (version as number) < 1) throw new Damage(`schema_version is ${shown(version)}`);
  if ((version as number) > newest) {
    throw new InvalidModel(
      `${name} has schema version ${version}, and this edge-predict reads versions up to ${newest}; upgrade it`,
    );
  }
  return document;
}

/** Refuse what Python refuses: half characters, which can be written nowhere, and numbers beyond float64. */
function check(document: unknown): void {
  const left = [document];
  while (left.length > 0) {
    const one = left.pop();
    if (typeof one === "string" && !isWellFormed(one)) throw new Damage("a string has half a character");
    if (typeof one === "number" && !Number.isFinite(one)) throw new Damage("a number is not finite");
    if (typeof one === "object" && one !== null) for (const part of Object.entries(one).flat()) left.push(part);
  }
}

/** `text` with long integers as strings that `MARK` begins. */
function marked(text: string): string {
  const parts: string[] = [];
  let at = 0;
  while (at < text.length) {
    let start = text.indexOf('"', at);
    if (start < 0) start = text.length;
    parts.push(text.slice(at, start).replace(LONG_INTEGER, (one) => `"${MARK}${one}"`));
    let end = start + 1;
    while (end < text.length && text[end] !== '"') end += text[end] === "\\" ? 2 : 1;
    parts.push(text.slice(start, end + 1));
    at = end + 1;
  }
  return parts.join("");
}

function restored(plain: unknown): unknown {
  if (typeof plain === "string" && plain.startsWith(MARK)) {
    const number = Number(plain.slice(1));
    return Number.isSafeInteger(number) ? number : BigInt(plain.slice(1));
  }
  if (Array.isArray(plain)) return plain.map(restored);
  return isObject(plain) ? Object.fromEntries(Object.entries(plain).map(([key, one]) => [key, restored(one)])) : plain;
}

const isObject = (plain: unknown): plain is Plain =>
  typeof plain === "object" && plain !== null && !Array.isArray(plain);

/** A member of an object. Throws Damage if there is none. */
export function member(plain: Plain, key: string): unknown {
  if (!Object.hasOwn(plain, key)) throw new Damage(`it has no '${key}'`);
  return plain[key];
}

/** A member of an object that may be absent or null. */
export const optional = (plain: Plain, key: string): unknown =>
  Object.hasOwn(plain, key) && plain[key] !== null ? plain[key] : undefined;

/** `plain`, if it is an object. */
export function asObject(plain: unknown): Plain {
  if (!isObject(plain)) throw new Damage(`${shown(plain)} is not an object`);
  return plain;
}

/** `plain`, if it is a list. */
export function asList(plain: unknown): readonly unknown[] {
  if (!Array.isArray(plain)) throw new Damage(`${shown(plain)} is not a list`);
  return plain;
}

/** `plain`, if it is a string. */
export function asText(plain: unknown): string {
  if (typeof plain !== "string") throw new Damage(`${shown(plain)} is not a string`);
  return plain;
}

/** `plain`, if it is a number. */
export function asNumber(plain: unknown): number {
  if (typeof plain === "bigint") return Number(plain);
  if (typeof plain !== "number") throw new Damage(`${shown(plain)} is not a finite number`);
  return plain;
}
