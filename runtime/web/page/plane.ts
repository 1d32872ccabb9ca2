/** A plane through the space of a model's features: two of them vary, the others are those of a row. */

import { FIRST_SECOND, midnight } from "../src/dates.js";
import type { Feature, Predictor, Row, Value } from "../src/index.js";
import { FLOAT32_MAX } from "../src/numbers.js";

/** A picture takes about so long, in milliseconds. */
const TIME = 150;
const [FEWEST, MOST] = [16, 72];
/** So many values of a feature are tried, of so many features, to find those that move the answer most. */
const [TRIED, FEATURES] = [9, 100];
/** The last day that a date can be; 9999-12-31 often stands for no end. */
const LAST_DAY = midnight(9999, 12, 31);
const FLOAT16_MAX = 65504;
const compact = new Intl.NumberFormat("en", { notation: "compact", maximumSignificantDigits: 6 });

/** The range of an axis. */
export interface Axis {
  readonly feature: Feature;
  readonly low: number;
  readonly high: number;
}

/** What a model gives on a grid. */
export interface Grid {
  readonly side: number;
  /** How many numbers there are at each point: probabilities, or a value. */
  readonly width: number;
  /** Those of the point in column i and row j, counted from below, begin at (j * side + i) * width. */
  readonly numbers: Float32Array;
}

/** The features that an axis can have. */
export function axesOf({ signature, inputs }: Predictor): Axis[] {
  const largest = inputs.some(({ dtype }) => dtype === "float16") ? FLOAT16_MAX : FLOAT32_MAX;
  return signature!.features
    .filter(({ kind }) => kind === "numeric" || kind === "date")
    .filter(({ minimum, maximum, kind }) => kind === "numeric" || (minimum !== undefined && minimum < maximum!))
    .map((feature) => {
      const { minimum: low = -3, maximum: high = 3 } = feature;
      // A little beyond what training saw.
      const margin = feature.minimum === undefined ? 0 : high > low ? 0.05 * (high - low) : 1;
      // But no more than the model takes.
      const [least, most] = feature.kind === "date" ? [FIRST_SECOND, LAST_DAY] : [-largest, largest];
      return { feature, low: Math.max(low - margin, least), high: Math.min(high + margin, most) };
    });
}

/** The value of a feature as a row has it. */
export const valueAt = ({ feature }: Axis, number: number): Value =>
  feature.kind === "date" ? new Date(1000 * Math.round(number)) : number;

/** The probabilities of each row, or its value alone. */
async function numbersOf(predictor: Predictor, rows: readonly Row[]): Promise<number[][]> {
  if (predictor.signature!.task !== "regression") return predictor.predictProba(rows);
  return (await predictor.predict(rows)).map((value) => [value as number]);
}

/** The two axes along which the answer changes most, in the order of the features. */
export async function choose(predictor: Predictor, axes: readonly Axis[], row: readonly Value[]): Promise<[Axis, Axis]> {
  if (axes.length === 2) return [axes[0]!, axes[1]!];
  const { features } = predictor.signature!;
  const tried = axes.slice(0, FEATURES);
  const rows = tried.flatMap((axis) => {
    const column = features.indexOf(axis.feature);
    return Array.from({ length: TRIED }, (_, step) => {
      const found = [...row];
      found[column] = valueAt(axis, axis.low + ((axis.high - axis.low) * step) / (TRIED - 1));
      return found;
    });
  });
  const numbers = await numbersOf(predictor, rows);
  const moved = tried.map((_, at) => {
    const own = numbers.slice(at * TRIED, (at + 1) * TRIED);
    return Math.max(...own[0]!.map((__, place) => Math.max(...own.map((one) => one[place]!)) - Math.min(...own.map((one) => one[place]!))));
  });
  const order = tried.map((_, at) => at).sort((one, other) => (moved[other] || 0) - (moved[one] || 0));
  const [first, second] = order.slice(0, 2).sort((one, other) => one - other);
  return [axes[first!]!, axes[second!]!];
}

/** What the model gives where two features vary; finer where it is fast. */
export async function sample(predictor: Predictor, across: Axis, up: Axis, row: readonly Value[], most = MOST): Promise<Grid> {
  const { features } = predictor.signature!;
  const [column, other] = [features.indexOf(across.feature), features.indexOf(up.feature)];
  const rowsOf = (side: number): Value[][] =>
    Array.from({ length: side * side }, (_, at) => {
      const found = [...row];
      found[column] = valueAt(across, across.low + ((across.high - across.low) * (at % side)) / (side - 1));
      found[other] = valueAt(up, up.low + ((up.high - up.low) * Math.floor(at / side)) / (side - 1));
      return found;
    });
  const start = performance.now();
  let side = FEWEST;
  let numbers = await numbersOf(predictor, rowsOf(side));
  const each = (performance.now() - start) / side ** 2;
  const finer = Math.min(most, Math.floor(Math.sqrt(TIME / each)));
  if (finer > 1.5 * side) numbers = await numbersOf(predictor, rowsOf((side = finer)));
  return { side, width: numbers[0]!.length, numbers: Float32Array.from(numbers.flat()) };
}

/** The numbers of a grid between its points, `x` and `y` from 0 to 1, into `found`. */
export function between({ side, width, numbers }: Grid, x: number, y: number, found: Float32Array): void {
  const [left, below] = [x, y].map((one) => Math.min(side - 2, Math.floor(one * (side - 1)))) as [number, number];
  const [right, above] = [x * (side - 1) - left, y * (side - 1) - below];
  const corner = (below * side + left) * width;
  for (let place = 0; place < width; place += 1) {
    const at = corner + place;
    const low = numbers[at]! + right * (numbers[at + width]! - numbers[at]!);
    const high = numbers[at + side * width]! + right * (numbers[at + (side + 1) * width]! - numbers[at + side * width]!);
    found[place] = low + above * (high - low);
  }
}

/** Round numbers on an axis, or the beginnings of years, about `count` of them; and what stands beside them. */
export function ticks(axis: Axis, count: number): (readonly [number, string])[] {
  const found = ticksOf(axis, count);
  const texts = axis.feature.kind === "date" ? found.map((one) => dateText(one)!.replace(/-01-01$/, "")) : numberTexts(found);
  return found.map((one, at) => [one, texts[at]!]);
}

/** Numbers in at most about six characters: 50K and 2e-9, where 50,000 and 0.000000002 are too long. */
function numberTexts(numbers: readonly number[]): string[] {
  const texts = numbers.map((one) => digits.format(one));
  if (texts.every((one) => one.length <= 6)) return texts;
  const largest = Math.max(...numbers.map(Math.abs));
  if (largest >= 0.01 && largest < 1e15) return numbers.map((one) => compact.format(one));
  return numbers.map((one) => (one === 0 ? "0" : one.toExponential().replace("+", "")));
}

function ticksOf({ feature, low, high }: Axis, count: number): number[] {
  const years = [low, high].map((one) => new Date(1000 * one).getUTCFullYear()) as [number, number];
  if (feature.kind === "date" && years[1] - years[0] >= 2) {
    const step = Math.max(1, roundUp((years[1] - years[0]) / count));
    const found = Array.from({ length: years[1] - years[0] + 1 }, (_, at) => years[0] + at).filter((year) => year % step === 0);
    return found.map((year) => midnight(year, 1, 1)).filter((one) => one >= low && one <= high);
  }
  const rough = (high - low) / count;
  const step = feature.kind === "date" ? 86400 * Math.ceil(rough / 86400) : roundUp(rough);
  const first = Math.ceil(low / step);
  return Array.from({ length: Math.max(0, Math.floor(high / step) - first + 1) }, (_, at) => Number(((first + at) * step).toPrecision(12)));
}

/** The next of 1, 2, 5, 10, 20 and so on. */
function roundUp(number: number): number {
  const power = 10 ** Math.floor(Math.log10(number));
  return power * [1, 2, 5, 10].find((one) => one * power >= number)!;
}
