/** Answers as the form shows them. */

import type { Label, Predictor, Rows, Signature } from "../src/index.js";

/** A signature as the form takes it: a regression has no labels. */
export interface FormSignature extends Omit<Signature, "labels"> {
  readonly labels: readonly Label[] | undefined;
  /** The names of the features in the order of a row's values. */
  readonly columns: readonly string[];
}

/** An answer to a row, as edge-serve sends it. */
export type Answer = { readonly unseen: Readonly<Record<string, string>> } & (
  | { readonly value: number | null }
  | { readonly label: Label; readonly probability: number | null; readonly probabilities: Readonly<Record<string, number | null>> }
);

/** Of each row the label and the probabilities of all labels, or the value as both. */
export interface Answers {
  readonly predictions: readonly (Label | number)[];
  readonly numbers: readonly (readonly number[])[];
}

export function formSignature(signature: Signature): FormSignature {
  const { labels, features } = signature;
  return { ...signature, labels: labels.length ? labels : undefined, columns: features.map((one) => one.name) };
}

/** The answers to rows, or to a tensor. */
export async function answers(predictor: Predictor, rows: Rows): Promise<Answers> {
  const predictions = await predictor.predict(rows);
  const isRegression = predictor.signature!.task === "regression";
  return { predictions, numbers: isRegression ? predictions.map((value) => [value as number]) : await predictor.predictProba(rows) };
}

/** The first of `answers`; of many labels, the most probable ones. */
export function firstAnswer(signature: FormSignature, { predictions, numbers }: Answers, unseen = {}): Answer {
  const [[prediction], [own]] = [predictions, numbers] as [readonly [Label], readonly [readonly number[]]];
  const { labels } = signature;
  if (labels === undefined) return { value: finite(own[0]!), unseen };
  const place = labels.indexOf(prediction);
  let shown = labels.map((_, at) => at);
  if (labels.length > FEW_LABELS) {
    shown.sort((one, other) => own[other]! - own[one]!);
    shown = [place, ...shown.filter((at) => at !== place)].slice(0, TOP);
  }
  const probabilities = Object.fromEntries(shown.map((at) => [String(labels[at]), finite(own[at]!)]));
  return { label: prediction, probability: finite(own[place]!), probabilities, unseen };
}

/** JSON has neither NaN nor infinity. */
const finite = (number: number): number | null => (Number.isFinite(number) ? number : null);
