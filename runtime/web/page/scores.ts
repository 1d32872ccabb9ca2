/** A table answered: the rows that a model takes, and why it does not take the others. */

import { type Feature, InvalidInput, type Label, type Predictor, type Value } from "../src/index.js";
import { shortest } from "../src/comparison.js";
import { parseNotation } from "../src/notation.js";
import { listed } from "../src/text.js";
import { isMissing } from "../src/values.js";
import { answers, type FormSignature } from "./answers.js";
import { csvLine, type Dialect, dialectOf, type Record, records } from "./delimited.js";

/** So many rows are answered at a time; between them the page shows how far it is. */
const BLOCK = 1000;

/** A row that the model does not take. */
export interface Rejected {
  readonly row: number;
  readonly line: number;
  readonly column: string;
  readonly reason: string;
  readonly record: string;
}

/** What became of a table. */
export interface Scored {
  readonly scored: number;
  readonly rejected: readonly Rejected[];
  /** In how many rows something is unlike the training data. */
  readonly unseen: number;
  /** How many rows got each label. */
  readonly labels: ReadonlyMap<string, number>;
  /** The smallest, mean and largest value of a regression. */
  readonly values: { readonly low: number; readonly mean: number; readonly high: number };
  /** Columns of the file that are not features, and those whose names the answers have. */
  readonly ignored: readonly string[];
  readonly dropped: readonly string[];
  /** The file with the answers as CSV, in parts. */
  readonly content: readonly string[];
}

/** What the columns of a file are. */
interface Columns {
  readonly names: readonly string[];
  /** The column of each feature. */
  readonly places: readonly number[];
  /** The columns that are kept before the answers. */
  readonly kept: readonly number[];
  readonly dropped: readonly string[];
  readonly hasHeader: boolean;
}

/**
 * Answer the rows of CSV.
 *
 * @param progress called with how much of the file is answered, from 0 to 1; the work goes on when it is resolved.
 * @throws Error if the file is not a table of these features; the message says why.
 */
export async function score(
  predictor: Predictor,
  signature: FormSignature,
  text: string,
  file: string,
  progress: (done: number) => Promise<void>,
): Promise<Scored> {
  const { features, labels } = signature;
  const dialect = dialectOf(text, file);
  const header = headerOf(signature);
  const read = records(text, dialect.delimiter);
  const first = read.next();
  if (first.done) throw new Error(`${file} is empty`);
  const columns = columnsOf(first.value, features, header);
  const found = {
    scored: 0,
    rejected: [] as Rejected[],
    unseen: 0,
    labels: new Map((labels ?? []).map((label) => [String(label), 0])),
    values: { low: Infinity, mean: 0, high: -Infinity },
    ignored: columns.names.filter((_, place) => columns.hasHeader && !columns.places.includes(place)),
    dropped: columns.dropped,
    content: [csvLine([...columns.kept.map((place) => columns.names[place]!), ...header])],
  };
  let [row, size] = [0, 0];
  let block: { cells: readonly string[]; values: readonly Value[] }[] = [];
  const take = (record: Record): void => {
    row += 1;
    size += record.text.length + 1;
    try {
      const values = valuesOf(record.cells, columns, features, dialect);
      if (Object.keys(predictor.unseen([values])[0]!).length) found.unseen += 1;
      block.push({ cells: record.cells, values });
    } catch (error) {
      if (!(error instanceof InvalidInput)) throw error;
      const column = error.feature ?? "";
      const reason = column ? error.message.slice(column.length + 2) : error.message;
      found.rejected.push({ row, line: record.line, column, reason, record: record.text });
    }
  };
  const flush = async (): Promise<void> => {
    const { predictions, numbers } = await answers(predictor, block.map((one) => one.values));
    block.forEach(({ cells }, at) => {
      const [prediction, own] = [predictions[at]!, numbers[at]!];
      found.scored += 1;
      const kept = columns.kept.map((place) => cells[place]!.trim());
      found.content.push(csvLine([...kept, ...cellsOf(signature, prediction, own)]));
      if (labels) {
        found.labels.set(String(prediction), found.labels.get(String(prediction))! + 1);
      } else {
        const { low, mean, high } = found.values;
        const [value] = own as [number];
        found.values = { low: Math.min(low, value), mean: mean + (value - mean) / found.scored, high: Math.max(high, value) };
      }
    });
    block = [];
    await progress(Math.min(1, size / text.length));
  };
  if (!columns.hasHeader) take(first.value);
  for (const record of read) {
    take(record);
    if (block.length === BLOCK) await flush();
  }
  await flush();
  return found;
}

/** The rejected rows as CSV, as edge-predict --rejects writes them. */
export function rejectsOf(rejected: readonly Rejected[]): string[] {
  return [["row", "column", "reason", "record"], ...rejected.map((one) => [String(one.row), one.column, one.reason, one.record])].map((cells) => csvLine(cells));
}

/** The columns of the answers, as edge-predict --format csv has them. */
function headerOf({ labels }: FormSignature): string[] {
  return labels === undefined ? ["value"] : ["label", "probability", ...labels.map((label) => `probability_${labelText(label)}`)];
}

/** As Python has it. */
const labelText = (label: Label): string => (typeof label === "boolean" ? (label ? "True" : "False") : String(label));

function cellsOf({ labels }: FormSignature, prediction: Label | number, numbers: readonly number[]): string[] {
  const texts = numbers.map((one) => shortest(one));
  return labels === undefined ? texts : [labelText(prediction), texts[labels.indexOf(prediction)]!, ...texts];
}

function columnsOf(first: Record, features: readonly Feature[], answers: readonly string[]): Columns {
  const names = first.cells.map((cell) => cell.trim());
  const wanted = features.map((one) => one.name);
  const lacking = wanted.filter((name) => !names.includes(name));
  const hasHeader = !lacking.length;
  const twice = wanted.find((name) => names.indexOf(name) !== names.lastIndexOf(name));
  if (hasHeader && twice !== undefined) throw new Error(`the header names ${twice} more than once`);
  const places = hasHeader ? wanted.map((name) => names.indexOf(name)) : wanted.map((_, place) => place);
  // A file without a header has the features alone, in their order.
  if (!hasHeader && (names.length !== wanted.length || names.some((name) => wanted.includes(name)))) {
    throw new Error(`line ${first.line}: as a header the line lacks ${listed(lacking)}`);
  }
  const known = hasHeader ? names : wanted;
  const all = known.map((_, place) => place);
  const isAnswer = (place: number): boolean => answers.includes(known[place]!);
  return { names: known, places, kept: all.filter((one) => !isAnswer(one)), dropped: all.filter(isAnswer).map((one) => known[one]!), hasHeader };
}

/** The values of a record in the order of the features. */
function valuesOf(cells: readonly string[], columns: Columns, features: readonly Feature[], { decimal }: Dialect): Value[] {
  const width = columns.names.length;
  if (cells.length !== width) {
    const counted = cells.length === 1 ? "1 value" : `${cells.length} values`;
    throw new InvalidInput(`${counted}, but the ${columns.hasHeader ? "header" : "first line"} has ${width} column${width === 1 ? "" : "s"}`);
  }
  return features.map((feature, place) => {
    const cell = cells[columns.places[place]!]!;
    if (decimal === "." || feature.kind !== "numeric" || feature.notation !== undefined || isMissing(cell)) return cell;
    try {
      return parseNotation({ decimal, grouping: "", prefix: "", suffix: "" }, cell);
    } catch (error) {
      throw new InvalidInput(`${feature.name}: ${(error as Error).message}`, undefined, feature.name);
    }
  });
}
