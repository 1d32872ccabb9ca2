/** Text as Python treats it: what is white space, and how messages show values. */

// What str.strip removes. String.trim differs: it removes U+FEFF, and keeps U+001C to U+001F and U+0085.
const SPACE = "\\t-\\r\\x1c-\\x20\\x85\\xa0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000";
const NOT_SPACE = new RegExp(`[^${SPACE}]`, "u");

/** One character of white space, for regular expressions. */
export const WHITE_SPACE = `[${SPACE}]`;

/** `text` without what is around it that `kept` does not match: white space. */
export function strip(text: string, kept: RegExp = NOT_SPACE): string {
  const rest = stripStart(text, kept);
  let end = rest.length;
  while (end > 0 && !kept.test(rest[end - 1]!)) end -= 1;
  return rest.slice(0, end);
}

/** `text` without white space before it. */
export function stripStart(text: string, kept: RegExp = NOT_SPACE): string {
  const start = text.search(kept);
  return start < 0 ? "" : text.slice(start);
}

/** Whether a string can be written as UTF-8: it has no half of a character. */
export function isWellFormed(text: string): boolean {
  return !/\p{Cs}/u.test(text);
}

/** How a message shows a value: strings in quotes, with what is not printable escaped; long ones shortened. */
export function shown(value: unknown): string {
  if (typeof value === "string") return shortened(quoted(value));
  if (typeof value === "number") return numberText(value);
  if (typeof value === "bigint") return shortened(String(value));
  if (typeof value === "boolean") return value ? "True" : "False";
  if (value === null || value === undefined) return "None";
  if (value instanceof Date) return Number.isNaN(value.getTime()) ? "an invalid date" : value.toISOString();
  try {
    return shortened(printable(JSON.stringify(value) ?? typeof value));
  } catch {
    return `an object of type ${typeof value}`;
  }
}

const ESCAPES = new Map([["\n", "\\n"], ["\r", "\\r"], ["\t", "\\t"]]);

/** A string as Python's repr has it. */
export function quoted(text: string): string {
  const mark = text.includes("'") && !text.includes('"') ? '"' : "'";
  let found = "";
  for (const one of text) found += one === mark || one === "\\" ? `\\${one}` : escaped(one);
  return `${mark}${found}${mark}`;
}

/** `text` in one line, with every character that is not printable escaped. */
export function printable(text: string): string {
  return Array.from(text, escaped).join("");
}

function escaped(character: string): string {
  if (character === " " || !/[\p{C}\p{Z}]/u.test(character)) return character;
  const known = ESCAPES.get(character);
  if (known !== undefined) return known;
  const code = character.codePointAt(0)!;
  const digits = code.toString(16);
  if (code < 256) return `\\x${digits.padStart(2, "0")}`;
  return code < 65536 ? `\\u${digits.padStart(4, "0")}` : `\\U${digits.padStart(8, "0")}`;
}

/** The beginning of a long message, and its end. */
export function shortened(message: string, most = 400): string {
  if (message.length <= most) return message;
  const characters = [...message];
  if (characters.length <= most) return message;
  const [start, end] = [characters.slice(0, most - 100), characters.slice(-95)].map((one) => one.join(""));
  return `${start!.trimEnd()} ... ${end!.trimStart()}`;
}

/** The names in one line: the first dozen and the last, if there are more. */
export function listed(names: readonly string[], most = 12): string {
  return (names.length <= most ? names : [...names.slice(0, most), `... ${names.at(-1)}`]).join(", ");
}

/** A number as Python's str has it: 1e-05 and 1e+16, where JavaScript has 0.00001 and 10000000000000000. */
export function numberText(value: number): string {
  if (Number.isNaN(value)) return "nan";
  if (!Number.isFinite(value)) return value > 0 ? "inf" : "-inf";
  if (Number.isInteger(value) && Math.abs(value) < 1e16) return Object.is(value, -0) ? "-0" : String(value);
  const [digits, exponent] = value.toExponential().split("e");
  const power = Number(exponent);
  return power < -4 || power >= 16 ? `${digits}e${powerText(power)}` : String(value);
}

/** A float as Python's str has it: with a point, if it is an integer. */
export function floatText(value: number): string {
  const text = numberText(value);
  return /^-?[0-9]+$/.test(text) ? `${text}.0` : text;
}

/** A number as Python's format with ".Ng" has it, N being `digits`. */
export function rounded(value: number, digits: number): string {
  if (!Number.isFinite(value)) return numberText(value);
  const [places, exponent] = value.toExponential(digits - 1).split("e");
  const power = Number(exponent);
  if (power < -4 || power >= digits) return `${withoutZeros(places!)}e${powerText(power)}`;
  return withoutZeros(value.toFixed(Math.max(0, digits - 1 - power)));
}

const powerText = (power: number): string => `${power < 0 ? "-" : "+"}${String(Math.abs(power)).padStart(2, "0")}`;

const withoutZeros = (text: string): string => (text.includes(".") ? text.replace(/\.?0+$/, "") : text);
