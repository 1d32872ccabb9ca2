/** A session of onnxruntime-web: tensors by name in, tensors by name out. */

import * as ort from "onnxruntime-web/wasm";

import { InferenceFailed, InvalidModel } from "./errors.js";
import type { Elements, Numbers, TensorSpec } from "./tensors.js";

// What onnxruntime-web has for an axis whose size is not known.
const UNKNOWN = 2 ** 32 - 1;

/** An opened model. */
export class Session {
  readonly provider = "wasm";
  readonly inputs: readonly TensorSpec[];
  readonly outputs: readonly TensorSpec[];

  private constructor(private readonly session: ort.InferenceSession) {
    this.inputs = session.inputMetadata.map(spec);
    this.outputs = session.outputMetadata.map(spec);
  }

  /**
   * Open a model.
   *
   * @param wasm the content of onnxruntime-web's .wasm file, for a page that cannot fetch it.
   * @throws InvalidModel if onnxruntime-web cannot load it.
   */
  static async open(model: Uint8Array, wasm?: ArrayBuffer | Uint8Array): Promise<Session> {
    // More threads need shared memory, which pages have only with headers of their own.
    ort.env.wasm.numThreads = 1;
    if (wasm !== undefined) ort.env.wasm.wasmBinary = wasm as ArrayBuffer;
    try {
      const options = { executionProviders: ["wasm"], logSeverityLevel: 4 } as const;
      return new Session(await ort.InferenceSession.create(model, options));
    } catch (error) {
      throw new InvalidModel(`onnxruntime-web cannot open the model: ${reasonOf(error)}`, { cause: error });
    }
  }

  /** The version of onnxruntime-web. */
  get version(): string {
    return ort.env.versions.web ?? "unknown";
  }

  /**
   * The outputs for inputs.
   *
   * @param feed the inputs by name, of the declared types.
   * @param names the outputs to compute; by default all.
   * @throws InferenceFailed if onnxruntime-web cannot compute them.
   */
  async run(feed: ReadonlyMap<string, Elements>, names?: readonly string[]): Promise<ReadonlyMap<string, Elements>> {
    try {
      const inputs = Object.fromEntries([...feed].map(([name, one]) => [name, tensorOf(one)]));
      const found = await (names === undefined ? this.session.run(inputs) : this.session.run(inputs, names));
      return new Map(Object.entries(found).map(([name, one]) => [name, elementsOf(one as ort.Tensor)]));
    } catch (error) {
      throw new InferenceFailed(`onnxruntime-web could not compute the outputs: ${reasonOf(error)}`, { cause: error });
    }
  }

  /** Free what the model takes. */
  async close(): Promise<void> {
    await this.session.release();
  }
}

function spec(plain: ort.InferenceSession.ValueMetadata): TensorSpec {
  if (!plain.isTensor) return { name: plain.name, dtype: undefined, shape: [] };
  const shape = plain.shape.map((size) => (size === UNKNOWN || size === "" ? undefined : size));
  return { name: plain.name, dtype: plain.type, shape };
}

function tensorOf({ dtype, shape, data }: Elements): ort.Tensor {
  return new ort.Tensor(dtype as "float32", data as Float32Array, shape);
}

function elementsOf(tensor: ort.Tensor): Elements {
  let data = tensor.data as unknown as Numbers | string[];
  if (tensor.type === "float16" && !(data instanceof Uint16Array)) {
    // Newer browsers have a type of array for it.
    const { buffer, byteOffset, length } = data as unknown as Uint16Array;
    data = new Uint16Array(buffer, byteOffset, length);
  }
  return { dtype: tensor.type, shape: tensor.dims, data };
}

const reasonOf = (error: unknown): string =>
  (error instanceof Error ? error.message : String(error)).split(/\s+/).join(" ").trim();
