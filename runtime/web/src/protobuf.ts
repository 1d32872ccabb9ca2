/** The fields of messages of Protocol Buffers: https://protobuf.dev/programming-guides/encoding/ */

/** These bytes are not a message. */
export class NotAMessage extends Error {}

/** A field: its number, and where its content is, or a number's value. */
export interface Field {
  readonly number: number;
  /** The content of a string, bytes or a message; undefined for numbers. */
  readonly content: Uint8Array | undefined;
}

// The kinds of fields, in the last three bits of a tag.
const [VARINT, FIXED64, LENGTH, FIXED32] = [0, 1, 2, 5];
const MOST_VARINT = 10;

/** The fields of a message, without a copy of what they hold. Throws NotAMessage. */
export function* fields(bytes: Uint8Array): Generator<Field> {
  let at = 0;
  const varint = (): number => {
    let value = 0;
    for (let place = 0; place < MOST_VARINT; place += 1) {
      const byte = bytes[at];
      if (byte === undefined) break;
      at += 1;
      value += (byte & 127) * 128 ** place;
      if (byte < 128) return value;
    }
    throw new NotAMessage();
  };
  while (at < bytes.length) {
    const tag = varint();
    const [number, kind] = [Math.floor(tag / 8), tag % 8];
    if (number === 0) throw new NotAMessage();
    let size = 0;
    if (kind === VARINT) varint();
    else if (kind === FIXED64) size = 8;
    else if (kind === FIXED32) size = 4;
    else if (kind === LENGTH) size = varint();
    else throw new NotAMessage();
    if (size > bytes.length - at) throw new NotAMessage();
    yield { number, content: kind === LENGTH ? bytes.subarray(at, at + size) : undefined };
    at += size;
  }
}
