/** CSV: how a file writes its table, its records, and records as text. The rules of edge_runtime.tables. */

/** A record and the number of the line that it begins on. */
export interface Record {
  readonly line: number;
  readonly cells: readonly string[];
  /** The text of it, without the end of the line. */
  readonly text: string;
  /** Why it has no cells, if it has none. */
  readonly fault?: string;
}

/** How a file writes its table. */
export interface Dialect {
  readonly delimiter: string;
  /** The decimal mark of most numbers. */
  readonly decimal: "." | ",";
}

// In this order, if two separate the columns equally well.
const DELIMITERS = [",", "\t", ";", "|"];
const LOOKED_AT = 200;
const COMMA_NUMBER = /^[-+]?(?:\d+|\d{1,3}(?:[. ']\d{3})+),(\d+)$/;
// Such as 1,234 and 12,345,678: with a comma between thousands.
const THOUSANDS = /^[-+]?[1-9]\d{0,2}(?:,\d{3})+$/;
// Such as 1.234, which may be one with a point between thousands.
const POINT_THOUSANDS = /^[-+]?[1-9]\d{0,2}\.\d{3}$/;

/** The text of a file: UTF-8, UTF-16 with a byte order mark, or else Windows-1252. */
export function decoded(bytes: Uint8Array): string {
  const [first, second] = bytes;
  if (first === 0xff && second === 0xfe) return new TextDecoder("utf-16le").decode(bytes);
  if (first === 0xfe && second === 0xff) return new TextDecoder("utf-16be").decode(bytes);
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    return new TextDecoder("windows-1252").decode(bytes);
  }
}

/**
 * The records of CSV, without empty lines. A cell in quotes may hold delimiters, ends of lines, and quotes as "". If they
 * are never closed, the line is a record without cells.
 */
export function* records(text: string, delimiter: string): Generator<Record> {
  // Up to the next character that means something outside of quotes.
  const plain = new RegExp(`[^"\\r\\n${delimiter === "|" ? "\\|" : delimiter}]*`, "y");
  const rest = /[^\r\n]*/y;
  let [at, line] = [0, 1];
  while (at < text.length) {
    const [start, first] = [at, line];
    let fault: string | undefined;
    const cells: string[] = [];
    for (;;) {
      let cell = "";
      if (text[at] === '"') {
        for (;;) {
          const end = text.indexOf('"', at + 1);
          if (end < 0) {
            fault = "not CSV: a quote is never closed";
            break;
          }
          cell += text.slice(at + 1, end);
          at = end + 1;
          if (text[at] !== '"') break;
          cell += '"';
        }
        if (fault !== undefined) {
          rest.lastIndex = start;
          rest.exec(text);
          [at, line] = [rest.lastIndex, first];
          cells.length = 0;
          break;
        }
        line += cell.match(/\r\n?|\n/g)?.length ?? 0;
      }
      // After quotes, or without them, up to the delimiter; quotation marks in it are as they are.
      for (;;) {
        plain.lastIndex = at;
        cell += plain.exec(text)![0];
        at = plain.lastIndex;
        if (text[at] !== '"') break;
        cell += '"';
        at += 1;
      }
      cells.push(cell);
      if (text[at] !== delimiter) break;
      at += 1;
    }
    const end = at;
    if (text[at] === "\r" && text[at + 1] === "\n") at += 1;
    at += 1;
    line += 1;
    if (end > start) yield { line: first, cells, text: text.slice(start, end), ...(fault && { fault }) };
  }
}

/** How a file writes its table, by its beginning. */
export function dialectOf(text: string, name: string): Dialect {
  const preferred = /\.(tsv|tab)$/i.test(name) ? "\t" : ",";
  let delimiter = preferred;
  let best: [number, number, boolean] = [0, 0, false];
  for (const candidate of DELIMITERS) {
    const found = beginning(text, candidate);
    const width = found[0]?.length ?? 0;
    if (width < 2) continue;
    const alike = found.filter((cells) => cells.length === width).length / found.length;
    const score: [number, number, boolean] = [alike < 0.9 ? alike : 1, width, candidate === preferred];
    const place = score.findIndex((one, at) => one !== best[at]);
    if (place >= 0 && score[place]! > best[place]!) [delimiter, best] = [candidate, score];
  }
  return { delimiter, decimal: decimalOf(beginning(text, delimiter), delimiter) };
}

/** A comma, if there are numbers with one, and none with a point. */
function decimalOf(found: readonly (readonly string[])[], delimiter: string): "." | "," {
  let commas = 0;
  for (const cell of found.flat().map((one) => one.trim())) {
    if (COMMA_NUMBER.test(cell.replace(/^[€$£% ]+|[€$£% ]+$/g, ""))) {
      commas += Number(delimiter !== "," || !THOUSANDS.test(cell));
    } else if (/^[-+]?[\d,]*\.\d*(e[-+]?\d+)?$/i.test(cell) && /\d/.test(cell) && !POINT_THOUSANDS.test(cell)) {
      return ".";
    }
  }
  return commas ? "," : ".";
}

/** The first records, as far as they are CSV. */
function beginning(text: string, delimiter: string): (readonly string[])[] {
  const found: (readonly string[])[] = [];
  for (const { cells, fault } of records(text.slice(0, 2 ** 18), delimiter)) {
    if (fault !== undefined || found.push(cells) === LOOKED_AT) break;
  }
  return found;
}

/** A record as a line of CSV. */
export function csvLine(cells: readonly string[], delimiter = ","): string {
  const written = cells.map((cell) => (/["\r\n]/.test(cell) || cell.includes(delimiter) ? `"${cell.replaceAll('"', '""')}"` : cell));
  // A lone empty cell would be an empty line.
  return `${written.length === 1 && written[0] === "" ? '""' : written.join(delimiter)}\n`;
}
