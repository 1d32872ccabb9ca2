/** A table answered: the rows that a model takes, and why it does not take the others. */

import { type Feature, InvalidInput, type Label, type Predictor, type Value } from "../src/index.js";
import { shortest } from "../src/comparison.js";
import { parseNotation } from "../src/notation.js";
import { misspelt } from "../src/suggestions.js";
import { listed, strip } from "../src/text.js";
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
  /** The columns that are not kept, because answers have their names. */
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
  /** What the first line lacks as a header; undefined if it is one. */
  readonly lacks: string | undefined;
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
  const dialect = dialectOf(text, file);
  const read = records(text, dialect.delimiter);
  const first = read.next();
  if (first.done) throw new Error(`${file} is empty`);
  const columns = columnsOf(first.value, signature.features, headerOf(signature));
  if (columns.lacks !== undefined) checkRow(predictor, first.value, columns, dialect);
  const scoring = new Scoring(predictor, signature, dialect, columns);
  let size = 0;
  let block: Record[] = columns.lacks === undefined ? [] : [first.value];
  const flush = async (): Promise<void> => {
    await scoring.take(block);
    block = [];
    await progress(Math.min(1, size / text.length));
  };
  for (const record of read) {
    size += record.text.length + 1;
    if (block.push(record) >= BLOCK) await flush();
  }
  await flush();
  return scoring;
}

/** Refuse a first line that is no row: most often it is a header with another name of a column. */
function checkRow(predictor: Predictor, first: Record, columns: Columns, dialect: Dialect): void {
  try {
    predictor.unseen([valuesOf(first, columns, predictor.signature!.features, dialect)]);
  } catch (error) {
    if (!(error instanceof InvalidInput)) throw error;
    throw new Error(`line ${first.line}: ${error.message}, and as a header the line lacks ${columns.lacks!}`);
  }
}

/** A record that may be a row. */
interface Candidate {
  readonly record: Record;
  readonly row: number;
  readonly values: readonly Value[];
}

/** A table that is answered block by block. */
class Scoring implements Scored {
  scored = 0;
  unseen = 0;
  readonly rejected: Rejected[] = [];
  readonly labels: Map<string, number>;
  readonly values = { low: Infinity, mean: 0, high: -Infinity };
  readonly dropped: readonly string[];
  readonly content: string[];
  private row = 0;

  constructor(
    private readonly predictor: Predictor,
    private readonly signature: FormSignature,
    private readonly dialect: Dialect,
    private readonly columns: Columns,
  ) {
    this.labels = new Map((signature.labels ?? []).map((label) => [String(label), 0]));
    this.dropped = columns.dropped;
    this.content = [csvLine([...columns.kept.map((place) => columns.names[place]!), ...headerOf(signature)])];
  }

  /** Answer the next records of the file. */
  async take(block: readonly Record[]): Promise<void> {
    const before = this.rejected.length;
    const rows = this.fitting(block.flatMap((record) => this.candidate(record)));
    this.rejected.push(...this.rejected.splice(before).sort((one, other) => one.row - other.row));
    const { predictions, numbers } = await answers(this.predictor, rows.map((one) => one.values));
    rows.forEach(({ record }, at) => this.add(record, predictions[at]!, numbers[at]!));
  }

  private candidate(record: Record): Candidate[] {
    const row = (this.row += 1);
    try {
      return [{ record, row, values: valuesOf(record, this.columns, this.signature.features, this.dialect) }];
    } catch (error) {
      this.reject(record, row, error);
      return [];
    }
  }

  /** Those that the model takes. */
  private fitting(block: readonly Candidate[]): readonly Candidate[] {
    try {
      const found = this.predictor.unseen(block.map((one) => one.values));
      this.unseen += found.filter((one) => Object.keys(one).length > 0).length;
      return block;
    } catch (error) {
      if (block.length > 1) return block.flatMap((one) => this.fitting([one]));
      this.reject(block[0]!.record, block[0]!.row, error);
      return [];
    }
  }

  private reject({ line, text }: Record, row: number, error: unknown): void {
    if (!(error instanceof InvalidInput)) throw error;
    const column = error.feature ?? "";
    const reason = column ? error.message.slice(column.length + 2) : error.message;
    this.rejected.push({ row, line, column, reason, record: text });
  }

  private add({ cells }: Record, prediction: Label | number, numbers: readonly number[]): void {
    this.scored += 1;
    const kept = this.columns.kept.map((place) => strip(cells[place]!));
    this.content.push(csvLine([...kept, ...cellsOf(this.signature, prediction, numbers)]));
    if (this.signature.labels !== undefined) {
      this.labels.set(String(prediction), this.labels.get(String(prediction))! + 1);
      return;
    }
    const [[value], { low, mean, high }] = [numbers as [number], this.values];
    Object.assign(this.values, { low: Math.min(low, value), mean: mean + (value - mean) / this.scored, high: Math.max(high, value) });
  }
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
  if (first.fault !== undefined) throw new Error(`line ${first.line}: ${first.fault}`);
  const names = first.cells.map((cell) => strip(cell));
  const wanted = features.map((one) => one.name);
  const lacking = wanted.filter((name) => !names.includes(name));
  const hasHeader = !lacking.length;
  const twice = wanted.find((name) => names.indexOf(name) !== names.lastIndexOf(name));
  if (hasHeader && twice !== undefined) throw new Error(`the header names ${twice} more than once`);
  const places = hasHeader ? wanted.map((name) => names.indexOf(name)) : wanted.map((_, place) => place);
  const lacks = `${listed(lacking)}${misspelt(names.filter((name) => !wanted.includes(name)), lacking)}`;
  const known = new Set(wanted.map((name) => name.toLowerCase()));
  // A file without a header has the features alone, in their order.
  if (!hasHeader && (names.length !== wanted.length || names.some((name) => known.has(name.toLowerCase())))) {
    throw new Error(`line ${first.line}: as a header the line lacks ${lacks}`);
  }
  const own = hasHeader ? names : wanted;
  const all = own.map((_, place) => place);
  const isAnswer = (place: number): boolean => answers.includes(own[place]!);
  return {
    names: own,
    places,
    kept: all.filter((one) => !isAnswer(one)),
    dropped: all.filter(isAnswer).map((one) => own[one]!),
    lacks: hasHeader ? undefined : lacks,
  };
}

/** The values of a record in the order of the features. */
function valuesOf({ cells, fault }: Record, columns: Columns, features: readonly Feature[], { decimal }: Dialect): Value[] {
  if (fault !== undefined) throw new InvalidInput(fault);
  const width = columns.names.length;
  if (cells.length !== width) {
    const counted = cells.length === 1 ? "1 value" : `${cells.length} values`;
    throw new InvalidInput(`${counted}, but the ${columns.lacks === undefined ? "header" : "first line"} has ${width} column${width === 1 ? "" : "s"}`);
  }
  return features.map((feature, place) => {
    const cell = strip(cells[columns.places[place]!]!);
    if (decimal === "." || feature.kind !== "numeric" || feature.notation !== undefined || isMissing(cell)) return cell;
    try {
      return parseNotation({ decimal, grouping: "", prefix: "", suffix: "" }, cell);
    } catch (error) {
      throw new InvalidInput(`${feature.name}: ${(error as Error).message}`, undefined, feature.name);
    }
  });
}
