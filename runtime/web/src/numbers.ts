/** Numbers in text as programs write them, and the largest that float32 holds. */

import { InvalidInput } from "./errors.js";
import { shortened, shown, strip } from "./text.js";

export const FLOAT32_MAX = 3.4028234663852886e38;

const NUMBER = /^[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:e[+-]?[0-9]+)?$/i;
const WORD = /^([+-]?)(inf|infinity|nan)$/i;
const NOT_SPACE = /[^\t-\r \x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]/u;
const DIGIT = /\p{Nd}/gu;

/** `text` as Python's float and int see it: without white space around it, digits of all scripts as 0 to 9. */
export function plainNumber(text: string): string {
  // They take fewer characters of ASCII for white space than str.strip does.
  return strip(text, NOT_SPACE).replace(DIGIT, (one) => {
    const code = one.codePointAt(0)!;
    if (code < 128) return one;
    // The digits of a script stand side by side, 0 first.
    let zero = code;
    while (code - zero < 9 && /\p{Nd}/u.test(String.fromCodePoint(zero - 1))) zero -= 1;
    return String(code - zero);
  });
}

/** The number that Python's float reads in `text`; undefined if it reads none. */
export function floatOf(text: string): number | undefined {
  const plain = plainNumber(text);
  if (NUMBER.test(plain)) return Number(plain);
  const word = WORD.exec(plain);
  if (word === null) return undefined;
  return (word[1] === "-" ? -1 : 1) * (word[2]!.toLowerCase() === "nan" ? NaN : Infinity);
}

/**
 * `text` as a number that float32 holds: decimal or scientific notation, "nan" and "inf" included.
 *
 * @throws InvalidInput if it is not a number.
 */
export function parseNumber(text: string): number {
  const number = floatOf(text);
  if (number === undefined) {
    const stripped = strip(text);
    throw new InvalidInput(stripped ? `${shown(stripped)} is not a number` : "the value is empty");
  }
  // 1e400 is not infinity, and 1e300 would become it.
  if (Math.abs(number) > FLOAT32_MAX && !text.toLowerCase().includes("inf")) {
    throw new InvalidInput(`${shortened(strip(text))} does not fit float32`);
  }
  return number;
}
