/** edge-predict in a browser and under Node: open an exported model, verify it, and answer rows. */

export type { Answer } from "./answers.js";
export type { Check } from "./comparison.js";
export * from "./errors.js";
export type { Feature, Kind } from "./feature.js";
export type { Notation } from "./notation.js";
export type { LoadOptions, OutputTensor, Rows, Source } from "./predictor.js";
export { Predictor } from "./predictor.js";
export type { Row } from "./rows.js";
export type { Input, Label, Signature, Task } from "./signature.js";
export type { Tensor } from "./tensor-inputs.js";
export type { TensorSpec } from "./tensors.js";
export type { Value } from "./values.js";
export type { Verification } from "./verification.js";
