/** What can go wrong: the errors of edge_runtime that make sense here, by their names. */

import { printable, shortened } from "./text.js";

// No message of ours has as many characters, unless a model or a row has such long names.
const LONGEST = 10_000;

/**
 * The root of all errors of this package. A message says in one line what is wrong and, if possible, how to fix it.
 * What is not printable in it, as in names of models, is escaped.
 */
export class EdgePredictError extends Error {
  override name = "EdgePredictError";

  constructor(message: string, options?: ErrorOptions) {
    super(shortened(printable(message), LONGEST), options);
  }
}

/** There is no model at the address. */
export class ModelNotFound extends EdgePredictError {
  override name = "ModelNotFound";
}

/** The file is not an ONNX model, is damaged, or is newer than this version reads. */
export class InvalidModel extends EdgePredictError {
  override name = "InvalidModel";
}

/** The model does not say what its inputs and outputs mean; only `Predictor.run` can use it. */
export class NoSignature extends EdgePredictError {
  override name = "NoSignature";
}

/** The model is a regression: it predicts a value, and has neither labels nor probabilities. */
export class NoProbabilities extends EdgePredictError {
  override name = "NoProbabilities";
}

/** The model takes tensors such as images, and its inputs have no named features. */
export class NoFeatures extends EdgePredictError {
  override name = "NoFeatures";
}

/** The model carries no certificate, so it cannot be verified. */
export class NoCertificate extends EdgePredictError {
  override name = "NoCertificate";
}

/** The rows or tensors do not fit what the model takes. */
export class InvalidInput extends EdgePredictError {
  override name = "InvalidInput";

  /**
   * @param row the place of the row in what was passed, from 0, where one is to blame.
   * @param feature the name of the feature, where a value is to blame.
   */
  constructor(
    message: string,
    readonly row?: number,
    readonly feature?: string,
  ) {
    super(message);
  }
}

/** ONNX Runtime accepted the inputs, but could not compute the outputs. */
export class InferenceFailed extends EdgePredictError {
  override name = "InferenceFailed";
}

/** The predictor was closed, and does not answer any more. */
export class PredictorClosed extends EdgePredictError {
  override name = "PredictorClosed";
}
