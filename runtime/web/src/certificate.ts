/** The certificate: what torch computed with the same weights, carried by the artifact so that it can be replayed. */

import { InvalidModel } from "./errors.js";
import type { Plain } from "./json.js";
import { asList, asObject, asText, Damage, member, optional, parsed, reading } from "./json.js";
import type { Selected } from "./reference-arrays.js";
import { checkReference, readArray, readSelected } from "./reference-arrays.js";
import type { Elements } from "./tensors.js";

/** Reference rows: inputs, torch's outputs for them, and how far an output may be off. */
export interface ReferenceBatch {
  /** The kind of rows, such as "rows like the training data". */
  readonly kind: string;
  /** How many rows it holds: the first dimension of its inputs. */
  readonly rows: number;
  readonly inputs: ReadonlyMap<string, Elements>;
  readonly expected: ReadonlyMap<string, Elements>;
  /** The largest error that each element may have, float32, of the shape of `expected`; infinite if not decided. */
  readonly tolerance: ReadonlyMap<string, Elements>;
  /** For each output of which only some elements are compared, which they are. */
  readonly selected: ReadonlyMap<string, Selected>;
}

/** How an artifact was verified at export, and what is needed to verify it elsewhere. */
export interface Certificate {
  /** The arithmetic of the weights: "float32", "float16", "int8" or "int8-dynamic". */
  readonly precision: string;
  /** Where the tolerances come from, in one sentence. */
  readonly toleranceRule: string;
  readonly reference: readonly ReferenceBatch[];
  /** The versions of what made the artifact, by name. */
  readonly versions: Readonly<Record<string, string>>;
  /** The SHA-256 of the signature's JSON, 64 hex digits; null without a signature. */
  readonly signatureSha256: string | null;
  /** The SHA-256 of the file, with these digits taken as zeros. */
  readonly contentSha256: string;
}

const NEWEST = 3;
const NAME = "the certificate";
// Each of them is a call in a replay.
const MOST_BATCHES = 10_000;

/**
 * The certificate in `text`, as the metadata of an artifact carries it.
 *
 * @throws InvalidModel if it is damaged, its schema is newer than this version reads, or it has too many batches.
 */
export function readCertificate(text: string): Certificate {
  return reading(NAME, () => read(parsed(text, NEWEST, NAME)));
}

function read(plain: Plain): Certificate {
  const reference = asList(member(plain, "reference")).map(asObject);
  if (reference.length > MOST_BATCHES) {
    throw new InvalidModel(`${NAME} has ${reference.length} batches of reference rows; the limit is ${MOST_BATCHES}`);
  }
  checkReference(reference);
  asList(member(plain, "comparisons")).forEach(asObject);
  if (member(plain, "budget") !== null) asObject(plain["budget"]);
  readStrings(member(plain, "hashes"));
  const signature = member(plain, "signature_sha256");
  return {
    precision: asText(member(plain, "precision")),
    toleranceRule: asText(member(plain, "tolerance_rule")),
    reference: reference.map(readBatch),
    versions: readStrings(member(plain, "versions")),
    signatureSha256: signature === null ? null : asText(signature),
    contentSha256: asText(member(plain, "content_sha256")),
  };
}

function readStrings(plain: unknown): Record<string, string> {
  return Object.fromEntries(Object.entries(asObject(plain)).map(([key, one]) => [key, asText(one)]));
}

function readBatch(plain: Plain): ReferenceBatch {
  const [inputs, expected, tolerance] = ["inputs", "expected", "tolerance"].map((part) => {
    const arrays = Object.entries(asObject(member(plain, part)));
    return new Map(arrays.map(([name, array]) => [name, readArray(asObject(array))]));
  }) as [Map<string, Elements>, Map<string, Elements>, Map<string, Elements>];
  const areSame = expected.size === tolerance.size && [...expected.keys()].every((name) => tolerance.has(name));
  if (expected.size === 0 || !areSame) {
    throw new Damage("its outputs are not those that it has tolerances for");
  }
  for (const [name, { dtype, shape, data }] of tolerance) {
    if (dtype !== "float32" || shape.join() !== expected.get(name)!.shape.join()) {
      throw new Damage(`the tolerance of ${name} is not float32 or does not have its shape`);
    }
    const isAllowed = (data as Float32Array).every((one) => one >= 0);
    if (!isAllowed) throw new Damage(`the tolerance of ${name} is not zero or more`);
  }
  const selected = new Map<string, Selected>();
  for (const [name, one] of Object.entries(asObject(optional(plain, "selected") ?? {}))) {
    const shape = expected.get(name)?.shape;
    if (shape?.length !== 1) throw new Damage(`the selected elements of ${name} are not in one row`);
    selected.set(name, readSelected(asObject(one), shape[0]!));
  }
  const sizes = [...inputs.values()].filter((one) => one.shape.length > 0).map((one) => one.shape[0]!);
  const rows = sizes.length > 0 ? Math.max(...sizes) : 1;
  return { kind: asText(member(plain, "kind")), rows, inputs, expected, tolerance, selected };
}

const SEAL = new TextEncoder().encode('"content_sha256": "');
const DIGITS = 64;

/**
 * The SHA-256 of a model's file, with the 64 digits of the hash in its certificate taken as zeros.
 *
 * @returns hex digits; undefined if the file does not carry a certificate, or carries more than one.
 */
export async function contentSha256(model: Uint8Array): Promise<string | undefined> {
  let seal: number | undefined;
  for (let at = find(model, 0); at >= 0; at = find(model, at + 1)) {
    if (!isSeal(model, at)) continue;
    if (seal !== undefined) return undefined;
    seal = at + SEAL.length;
  }
  if (seal === undefined) return undefined;
  const copy = model.slice();
  copy.fill("0".charCodeAt(0), seal, seal + DIGITS);
  return sha256(copy);
}

/** Where the beginning of a seal is, from `start` on; -1 if there is none. */
function find(model: Uint8Array, start: number): number {
  for (let at = model.indexOf(SEAL[0]!, start); at >= 0; at = model.indexOf(SEAL[0]!, at + 1)) {
    if (SEAL.every((byte, place) => model[at + place] === byte)) return at;
  }
  return -1;
}

function isSeal(model: Uint8Array, at: number): boolean {
  const start = at + SEAL.length;
  const digits = model.subarray(start, start + DIGITS);
  const isHex = digits.every((byte) => (byte >= 0x30 && byte <= 0x39) || (byte >= 0x61 && byte <= 0x66));
  return digits.length === DIGITS && isHex && model[start + DIGITS] === '"'.charCodeAt(0);
}

/** The SHA-256 of bytes as hex digits. */
export async function sha256(bytes: Uint8Array): Promise<string> {
  if (globalThis.crypto?.subtle === undefined) {
    throw new InvalidModel("a page can compute a hash only if it comes by https, from this machine or from a file");
  }
  const digest = await crypto.subtle.digest("SHA-256", bytes as BufferSource);
  return Array.from(new Uint8Array(digest), (byte) => byte.toString(16).padStart(2, "0")).join("");
}

