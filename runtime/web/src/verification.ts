/** The replay of a certificate: whether a file is unchanged, and returns torch's outputs here. */

import type { Certificate, ReferenceBatch } from "./certificate.js";
import { contentSha256, sha256 } from "./certificate.js";
import type { Check } from "./comparison.js";
import { compared, incomparable, merged } from "./comparison.js";
import { InferenceFailed } from "./errors.js";
import type { ModelFile } from "./model-file.js";
import type { Session } from "./session.js";
import type { Elements } from "./tensors.js";

/** The result of a replay, as `edge_runtime.Verification` has it. */
export interface Verification {
  /** Whether the file is unchanged and every check passed. */
  readonly passed: boolean;
  /** The provider of ONNX Runtime that computed. */
  readonly provider: string;
  /** The version of onnxruntime-web. */
  readonly onnxruntime: string;
  /** The versions of what made the artifact, by name, from its certificate. */
  readonly versions: Readonly<Record<string, string>>;
  /** The number of reference rows. */
  readonly rows: number;
  /** Whether the bytes that were opened are the ones that were exported. */
  readonly intact: boolean;
  /** Whether the labels and features are the ones that were exported. */
  readonly signatureIntact: boolean;
  /** One for each kind of rows and output. */
  readonly checks: readonly Check[];
  /** Why it did not pass, each in one line; empty if it passed. */
  readonly problems: readonly string[];
}

/**
 * Replay a certificate: run its reference rows, and compare the outputs with torch's.
 *
 * @param session the model that was opened from `file`.
 */
export async function replay(session: Session, file: ModelFile, certificate: Certificate): Promise<Verification> {
  const found = new Map<string, Check[]>();
  for (const batch of certificate.reference) {
    for (const check of await replayed(session, batch)) {
      const key = JSON.stringify([check.kind, check.output]);
      found.set(key, [...(found.get(key) ?? []), check]);
    }
  }
  const checks = [...found.values()].map(merged);
  const rows = certificate.reference.reduce((sum, batch) => sum + batch.rows, 0);
  const intact = (await contentSha256(file.content)) === certificate.contentSha256;
  const signed = file.signature === undefined ? null : await sha256(new TextEncoder().encode(file.signature));
  const signatureIntact = signed === certificate.signatureSha256;
  const problems = [...problemsOf(rows, intact, signatureIntact, checks)];
  return {
    passed: problems.length === 0,
    provider: session.provider,
    onnxruntime: session.version,
    versions: certificate.versions,
    rows,
    intact,
    signatureIntact,
    checks,
    problems,
  };
}

function* problemsOf(
  rows: number,
  intact: boolean,
  signatureIntact: boolean,
  checks: readonly Check[],
): Iterable<string> {
  if (rows === 0) yield "the certificate has no reference rows";
  if (!intact) {
    const holds = rows > 0 && checks.every((check) => check.problem === undefined);
    const addition = holds ? ", although its outputs on the reference rows are still within tolerance" : "";
    yield `the file was changed after its export${addition}`;
  }
  if (!signatureIntact) yield "the labels or features were changed after the export";
  // A problem with a whole batch is the same for each of its outputs.
  yield* new Set(checks.filter((one) => one.problem !== undefined).map((one) => `${one.kind}: ${one.problem}`));
}

/** A check for every output that `batch` expects or the model returns. */
async function replayed(session: Session, batch: ReferenceBatch): Promise<Check[]> {
  let outputs: ReadonlyMap<string, Elements>;
  try {
    const names = [...batch.inputs.keys()];
    if (names.length !== session.inputs.length || !session.inputs.every((spec) => batch.inputs.has(spec.name))) {
      throw new InferenceFailed(`the model cannot take these inputs: ${names.join(", ")}`);
    }
    outputs = await session.run(batch.inputs);
  } catch (error) {
    if (!(error instanceof InferenceFailed)) throw error;
    return [...batch.expected.keys()].map((name) => incomparable(batch, name, error.message));
  }
  return [...new Set([...outputs.keys(), ...batch.expected.keys()])].map((name) => {
    const output = outputs.get(name);
    if (output === undefined) return incomparable(batch, name, `the model does not have the output ${name}`);
    const isExpected = batch.expected.has(name);
    if (!isExpected) return incomparable(batch, name, `the certificate does not have the output ${name}`);
    return compared(batch, name, output);
  });
}
