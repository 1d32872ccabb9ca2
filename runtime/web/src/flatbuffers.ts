/** What FlatBuffers hold, without a schema compiler: https://flatbuffers.dev/internals/ */

/** A table of a FlatBuffer. What lies outside of the bytes throws RangeError. */
export class Table {
  private constructor(
    private readonly view: DataView,
    private readonly start: number,
  ) {}

  /** The table that a file consists of. */
  static root(bytes: Uint8Array): Table {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    return new Table(view, view.getUint32(0, true));
  }

  /** The table in the field of this number, from 0; undefined if it is absent. */
  table(field: number): Table | undefined {
    const place = this.place(field);
    return place === undefined ? undefined : new Table(this.view, this.follow(place));
  }

  /** The tables in a field that is a vector of them. */
  tables(field: number): Table[] {
    const place = this.place(field);
    if (place === undefined) return [];
    const vector = this.follow(place);
    const found: Table[] = [];
    // One after the other, so that a damaged length ends where the bytes do.
    for (let count = this.view.getUint32(vector, true), at = vector + 4; found.length < count; at += 4) {
      found.push(new Table(this.view, this.follow(at)));
    }
    return found;
  }

  /** The bytes of a string; empty if it is absent. */
  bytes(field: number): Uint8Array {
    const place = this.place(field);
    if (place === undefined) return new Uint8Array();
    const start = this.follow(place);
    const length = this.view.getUint32(start, true);
    return new Uint8Array(this.view.buffer, this.view.byteOffset + start + 4, length);
  }

  private place(field: number): number | undefined {
    const fields = this.start - this.view.getInt32(this.start, true);
    const at = 4 + 2 * field;
    const offset = at < this.view.getUint16(fields, true) ? this.view.getUint16(fields + at, true) : 0;
    return offset === 0 ? undefined : this.start + offset;
  }

  private follow(place: number): number {
    return place + this.view.getUint32(place, true);
  }
}
