/** From a model's output to labels, probabilities and values. */

import { fromHalf, halfRound } from "./half.js";
import type { Label, Signature } from "./signature.js";
import type { Elements } from "./tensors.js";

/** The answer to one row: a label and its probability, or the value of a regression. */
export type Answer = { readonly label: Label; readonly probability: number } | { readonly value: number };

/** The answers in an output tensor, row by row. */
export class Answers {
  private readonly round: (value: number) => number;
  private readonly numbers: readonly number[];
  private readonly width: number;
  private readonly threshold: number;

  /**
   * @param output the output tensor of `signature`, shape (rows, 1) or (rows, classes).
   */
  constructor(
    private readonly signature: Signature,
    output: Elements,
  ) {
    const { dtype } = output;
    const data = output.data as Float32Array;
    this.round = dtype === "float16" ? halfRound : dtype === "float32" ? Math.fround : Number;
    this.numbers = Array.from(data, dtype === "float16" ? fromHalf : Number);
    this.width = output.shape[1]!;
    // As a number of the output's type is compared with it.
    this.threshold = this.round(signature.threshold);
  }

  /** How many rows there are. */
  get rows(): number {
    return this.numbers.length / this.width;
  }

  /** The predicted label of each row, or its value. */
  predictions(): (Label | number)[] {
    if (this.signature.task === "regression") return [...this.numbers];
    return this.eachRow((row) => this.signature.labels[this.predicted(row)]!);
  }

  /** The probabilities of each row. */
  probabilities(): number[][] {
    return this.eachRow((row) => this.ofRow(row));
  }

  /** The first row's answer. */
  first(): Answer {
    if (this.signature.task === "regression") return { value: this.numbers[0]! };
    const place = this.predicted(0);
    return { label: this.signature.labels[place]!, probability: this.ofRow(0)[place]! };
  }

  private eachRow<Result>(answer: (row: number) => Result): Result[] {
    return Array.from({ length: this.rows }, (_, row) => answer(row));
  }

  /** The place of the predicted label; that of the first with NaN. */
  private predicted(row: number): number {
    const found = this.numbers.slice(row * this.width, (row + 1) * this.width);
    if (this.signature.task === "binary_classification") return Number(found.at(-1)! > this.threshold);
    return found.some(Number.isNaN) ? 0 : found.indexOf(Math.max(...found));
  }

  private ofRow(row: number): number[] {
    const found = this.numbers.slice(row * this.width, (row + 1) * this.width);
    return this.signature.task === "binary_classification" ? [this.round(1 - found[0]!), found[0]!] : found;
  }
}
