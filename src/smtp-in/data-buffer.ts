/** Collects a message's bytes as they arrive, each copied once, and their digest. */
import { createHash } from 'node:crypto';

const FIRST_BYTES = 64 * 1024;

export class DataBuffer {
  readonly #hash = createHash('sha256');
  #buffer: Buffer;
  #bytes = 0;

  /** `expected`: the size that the client announced. Memory that is not written to costs nothing. */
  constructor(expected = 0) {
    this.#buffer = Buffer.allocUnsafeSlow(Math.max(FIRST_BYTES, expected));
  }

  /** How many bytes it has. */
  get bytes(): number {
    return this.#bytes;
  }

  add(piece: Buffer): void {
    const end = this.#bytes + piece.length;
    if (end > this.#buffer.length) this.#grow(Math.max(end, 2 * this.#buffer.length));
    piece.copy(this.#buffer, this.#bytes);
    this.#bytes = end;
    this.#hash.update(piece);
  }

  /** Drops what it has; returns how many bytes that was. */
  drop(): number {
    const dropped = this.#bytes;
    this.#buffer = Buffer.alloc(0);
    this.#bytes = 0;
    return dropped;
  }

  finish(): { readonly bytes: Buffer; readonly digest: string } {
    return { bytes: this.#buffer.subarray(0, this.#bytes), digest: this.#hash.digest('base64url') };
  }

  #grow(length: number): void {
    const larger = Buffer.allocUnsafeSlow(length);
    this.#buffer.copy(larger, 0, 0, this.#bytes);
    this.#buffer = larger;
  }
}
