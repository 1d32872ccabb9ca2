/** How people write the numbers of a column: decimal commas, groups of three digits, a currency or another unit. */

import { InvalidInput } from "./errors.js";
import { FLOAT32_MAX } from "./numbers.js";
import { quoted, shortened, shown, strip, stripStart } from "./text.js";

/** How the numbers of a column are written in text. */
export interface Notation {
  /** The mark before the decimals, "." or ",". */
  readonly decimal: string;
  /** The mark between groups of three digits: "", ",", ".", "'" or " ", which stands for every kind of space. */
  readonly grouping: string;
  /** The unit before the number, such as "$". */
  readonly prefix: string;
  /** The unit behind the number, such as "%" and "kg". */
  readonly suffix: string;
}

// What else stands for a mark: typeset apostrophes, and the spaces that do not break a line.
const LOOKALIKES: Record<string, string> = { "'": "'\u2019\u02bc", " ": " \u00a0\u2007\u2009\u202f" };
const WORDS: Record<string, number> = { inf: Infinity, infinity: Infinity, nan: NaN };

/**
 * The number in `text`, such as 1234.5 for "$1,234.50", "1234.5" and "1,234.5".
 *
 * @throws InvalidInput if it is not a number in this notation, or does not fit float32.
 */
export function parseNotation(notation: Notation, text: string): number {
  const { decimal, grouping, prefix, suffix } = notation;
  const whole = strip(text);
  let [rest, sign] = signed(whole);
  if (prefix && rest.startsWith(prefix)) rest = rest.slice(prefix.length);
  if (suffix && rest.endsWith(suffix)) rest = rest.slice(0, -suffix.length);
  rest = strip(rest);
  if (!sign) [rest, sign] = signed(rest);
  const marks = LOOKALIKES[grouping] ?? grouping;
  if (pattern(decimal, marks).test(rest)) {
    const plain = [...rest].filter((one) => !marks.includes(one)).join("").replace(decimal, ".");
    const number = Number(plain);
    if (number > FLOAT32_MAX) throw new InvalidInput(`${shortened(whole)} does not fit float32`);
    return number * (sign || 1);
  }
  const lower = rest.toLowerCase();
  if (Object.hasOwn(WORDS, lower)) return WORDS[lower]! * (sign || 1);
  if (!whole) throw new InvalidInput("the value is empty");
  throw new InvalidInput(`${shown(whole)} is not a number written like ${quoted(notationExample(notation))}`);
}

/** A number in a notation, such as "1.234,50 €". */
export function notationExample({ decimal, grouping, prefix, suffix }: Notation): string {
  // $5 and 5%, but USD 5 and 5 €.
  const before = /\p{L}$/u.test(prefix) ? " " : "";
  const after = !suffix || "%‰°".includes(suffix[0]!) ? "" : " ";
  return `${prefix}${before}1${grouping}234${decimal}50${after}${suffix}`;
}

/** `text` without its sign, and the sign: 1, -1, or 0 if it has none. */
function signed(text: string): [string, number] {
  if (text.startsWith("(") && text.endsWith(")")) return [strip(text.slice(1, -1)), -1];
  if (text.startsWith("+")) return [stripStart(text.slice(1)), 1];
  return text.startsWith("-") || text.startsWith("\u2212") ? [stripStart(text.slice(1)), -1] : [text, 0];
}

const patterns = new Map<string, RegExp>();

/** The pattern of a number without sign and unit. */
function pattern(decimal: string, marks: string): RegExp {
  const key = decimal + marks;
  let found = patterns.get(key);
  if (found === undefined) {
    // No group of digits begins with 0: 0,123 is a decimal comma, and would be read as 1000 times that.
    const groups = marks ? `|[1-9][0-9]{0,2}(?:[${marks}][0-9]{3})+` : "";
    const point = `[${decimal}]`;
    found = new RegExp(`^(?:(?:[0-9]+${groups})(?:${point}[0-9]*)?|${point}[0-9]+)(?:[eE][+-]?[0-9]+)?$`, "u");
    patterns.set(key, found);
  }
  return found;
}
