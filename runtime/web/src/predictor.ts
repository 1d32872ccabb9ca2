/** An opened model that answers: the face of edge_runtime.Predictor. */

import type { Answer } from "./answers.js";
import { Answers } from "./answers.js";
import { readCertificate } from "./certificate.js";
import {
  InferenceFailed,
  InvalidModel,
  ModelNotFound,
  NoCertificate,
  NoFeatures,
  NoProbabilities,
  NoSignature,
  PredictorClosed,
} from "./errors.js";
import { fromHalf } from "./half.js";
import type { ModelFile } from "./model-file.js";
import { readModelFile } from "./model-file.js";
import { unseen } from "./novelty.js";
import type { Row } from "./rows.js";
import { RowReader } from "./rows.js";
import { Session } from "./session.js";
import type { Label, Signature } from "./signature.js";
import { checkDescribes, numbersType, readSignature } from "./signature.js";
import type { Tensor } from "./tensor-inputs.js";
import { declared, readTensors } from "./tensor-inputs.js";
import type { Elements, Numbers, TensorSpec } from "./tensors.js";
import { specText } from "./tensors.js";
import type { Verification } from "./verification.js";
import { replay } from "./verification.js";

/** Where a model is: the address of an .onnx file, or its content. */
export type Source = string | URL | ArrayBuffer | Uint8Array;

/** What `predict` answers: rows of named features, or tensors if the model takes those. */
export type Rows = readonly Row[] | Tensor | Readonly<Record<string, Tensor>>;

/** An output of `run`: float16 as the numbers that its bits stand for, booleans as 0 and 1. */
export interface OutputTensor {
  readonly dtype: string;
  readonly shape: readonly number[];
  readonly data: Numbers | readonly string[];
}

/** How to open a model. */
export interface LoadOptions {
  /** The content of onnxruntime-web's `ort-wasm-simd-threaded.wasm`, for a page that cannot fetch it. */
  readonly wasm?: ArrayBuffer | Uint8Array;
}

/** An opened model that answers rows. */
export class Predictor {
  private isClosed = false;
  private readonly reader: RowReader | undefined;

  private constructor(
    private readonly session: Session,
    private readonly file: ModelFile,
    /** What rows and answers mean; undefined for an ONNX file without a signature, which only `run` can use. */
    readonly signature: Signature | undefined,
  ) {
    if (signature?.features.length) this.reader = new RowReader(signature, numbersType(session.inputs));
  }

  /**
   * Open a model.
   *
   * @throws ModelNotFound if there is nothing at the address.
   * @throws InvalidModel if it is not an ONNX file, is damaged, or needs a newer version of this package.
   */
  static async load(source: Source, options: LoadOptions = {}): Promise<Predictor> {
    const file = readModelFile(await contentOf(source));
    const signature = file.signature === undefined ? undefined : readSignature(file.signature);
    const session = await Session.open(file.content, options.wasm);
    try {
      if (signature !== undefined) checkDescribes(signature, session.inputs, session.outputs);
      return new Predictor(session, file, signature);
    } catch (error) {
      await session.close();
      throw error;
    }
  }

  /** The tensors that the file declares as inputs. */
  get inputs(): readonly TensorSpec[] {
    return this.session.inputs;
  }

  /** The tensors that the file declares as outputs. */
  get outputs(): readonly TensorSpec[] {
    return this.session.outputs;
  }

  /**
   * The predicted labels of rows, or in regression their values.
   *
   * @param rows arrays of values in the order of `signature.features`, or objects by their names; any value may be
   *   text, which is read as a cell of a CSV file is. If the inputs have no named features, such as images: a tensor of
   *   the declared shape, or for several inputs an object of tensors.
   * @returns one for each row; the first label if a row's probability is NaN.
   * @throws InvalidInput if a row or a tensor does not fit the model; `row` and `feature` of the error say which.
   * @throws NoSignature if the model does not say what its outputs mean.
   */
  async predict(rows: Rows): Promise<(Label | number)[]> {
    return (await this.answers(rows))?.predictions() ?? [];
  }

  /**
   * The probabilities of the labels of rows, in the order of `signature.labels`.
   *
   * @param rows as `predict`.
   * @throws NoProbabilities if the model is a regression.
   * @throws InvalidInput, NoSignature as `predict`.
   */
  async predictProba(rows: Rows): Promise<number[][]> {
    if (this.described.task === "regression") {
      throw new NoProbabilities(
        "the model is a regression, without labels and probabilities; predict returns its values",
      );
    }
    return (await this.answers(rows))?.probabilities() ?? [];
  }

  /**
   * The label of one row and that label's probability, or in regression its value.
   *
   * @param row one row; or a tensor of one, if the model takes tensors.
   * @throws InvalidInput, NoSignature as `predict`.
   */
  async predictOne(row: Row | Tensor | Readonly<Record<string, Tensor>>): Promise<Answer> {
    const answers = await this.answers(this.reader === undefined ? (row as Tensor) : [row as Row]);
    return answers!.first();
  }

  /**
   * What in rows is unlike everything in the training data, so that their answers may be guesses.
   *
   * @param rows arrays or objects, as `predict`.
   * @returns for each row, the features with such a value and why: a number or a date is farther from the range in
   *   training than half of it, a category is unknown, or a value is missing that never was then.
   * @throws NoFeatures if the model takes tensors.
   * @throws InvalidInput, NoSignature as `predict`.
   */
  unseen(rows: readonly Row[]): Record<string, string>[] {
    const signature = this.described;
    if (this.reader === undefined) throw new NoFeatures(`${declared(this.inputs)}, which has no named features`);
    return unseen(signature, this.reader.tensors(rows), rows.length);
  }

  /**
   * All outputs by name, for tensors by input name: what an ONNX file without a signature can do too.
   *
   * @throws InvalidInput if an input is missing or unknown, or does not have the declared type and shape.
   * @throws InferenceFailed if onnxruntime-web cannot compute the outputs.
   */
  async run(inputs: Readonly<Record<string, Tensor>>): Promise<Record<string, OutputTensor>> {
    const found = await this.open.run(readTensors(inputs, this.inputs));
    return Object.fromEntries([...found].map(([name, one]) => [name, outputOf(one)]));
  }

  /**
   * Replay the certificate: whether the file is unchanged, and computes here what torch computed at export.
   *
   * @returns what was found, also if the model does not pass.
   * @throws NoCertificate if the model does not carry a certificate.
   * @throws InvalidModel if its certificate is damaged, or newer than this version reads.
   */
  async verify(): Promise<Verification> {
    if (this.file.certificate === undefined) {
      throw new NoCertificate("the model has no certificate to verify it against; edge-export writes one");
    }
    return replay(this.open, this.file, readCertificate(this.file.certificate));
  }

  /** Free the memory that the model takes. */
  async close(): Promise<void> {
    if (!this.isClosed) await this.session.close();
    this.isClosed = true;
  }

  private get open(): Session {
    if (this.isClosed) throw new PredictorClosed("the predictor was closed");
    return this.session;
  }

  private get described(): Signature {
    if (this.signature !== undefined) return this.signature;
    throw new NoSignature(
      "the model has no edge-predict signature, so the meaning of its outputs is unknown; " +
        "Predictor.run returns them by name",
    );
  }

  /** undefined for no rows. */
  private async answers(rows: Rows): Promise<Answers | undefined> {
    const [signature, session] = [this.described, this.open];
    if (Array.isArray(rows) && rows.length === 0) return undefined;
    const { output } = signature;
    const spec = this.outputs.find((one) => one.name === output)!;
    const [batch] = spec.shape;
    const feed = this.reader?.tensors(rows as readonly Row[]) ?? readTensors(rows as Tensor, this.inputs, batch);
    const found = (await session.run(feed, [output])).get(output)!;
    checkOutput(found, spec, this.reader && (rows as readonly Row[]).length);
    return new Answers(signature, found);
  }
}

/** Refuse answers of another shape than the declared one: ONNX Runtime does not compare them. */
function checkOutput({ shape }: Elements, spec: TensorSpec, rows: number | undefined): void {
  if (rows !== undefined && shape.length > 0 && shape[0] !== rows) {
    throw new InferenceFailed(`the model returns ${shape[0]} rows of ${spec.name} for ${rows}`);
  }
  if (shape.length !== spec.shape.length || shape[1] !== spec.shape[1]) {
    const found = `an array of shape [${shape.join(", ")}]`;
    throw new InferenceFailed(`the model returns ${found}, but declares ${specText(spec)}`);
  }
}

async function contentOf(source: Source): Promise<Uint8Array> {
  if (source instanceof ArrayBuffer) return new Uint8Array(source);
  // A Buffer of Node has a slice of its own, which is not a copy.
  if (source instanceof Uint8Array) return new Uint8Array(source.buffer, source.byteOffset, source.byteLength);
  let answer: Response;
  try {
    answer = await fetch(source);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new InvalidModel(`${source} cannot be fetched: ${reason}; of a file on the disk, pass the content`);
  }
  if (answer.status === 404) throw new ModelNotFound(`${source}: there is no such file`);
  if (!answer.ok) throw new InvalidModel(`${source} cannot be fetched: ${answer.status} ${answer.statusText}`);
  return new Uint8Array(await answer.arrayBuffer());
}

function outputOf({ dtype, shape, data }: Elements): OutputTensor {
  return { dtype, shape, data: dtype === "float16" ? Float32Array.from(data as Uint16Array, fromHalf) : data };
}
