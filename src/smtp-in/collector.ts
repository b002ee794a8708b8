/** Gathers a mail's bytes as they come, and their digest. Small pieces are put together: each would cost more than it holds. */
import { createHash } from 'node:crypto';

/** Smaller pieces are copied into a block; larger ones are kept as they came. */
const PIECE_BYTES = 8 * 1024;
const BLOCK_BYTES = 64 * 1024;

export class Collector {
  readonly #hash = createHash('sha256');
  #pieces: Buffer[] = [];
  #block = Buffer.alloc(0);
  #used = 0;
  #bytes = 0;

  /** How many bytes it has been given. */
  get bytes(): number {
    return this.#bytes;
  }

  add(piece: Buffer): void {
    this.#bytes += piece.length;
    this.#hash.update(piece);
    if (piece.length < PIECE_BYTES) this.#copy(piece);
    else {
      this.#endBlock();
      this.#pieces.push(piece);
    }
  }

  /** Lets go of what it has. */
  drop(): void {
    this.#pieces = [];
    this.#block = Buffer.alloc(0);
    this.#used = 0;
  }

  /** The whole, copied once; the pieces are let go. */
  finish(): { readonly bytes: Buffer; readonly digest: string } {
    this.#endBlock();
    const bytes = Buffer.concat(this.#pieces, this.#bytes);
    this.drop();
    return { bytes, digest: this.#hash.digest('base64url') };
  }

  #copy(piece: Buffer): void {
    if (this.#used + piece.length > this.#block.length) {
      this.#endBlock();
      this.#block = Buffer.allocUnsafeSlow(BLOCK_BYTES);
    }
    this.#used += piece.copy(this.#block, this.#used);
  }

  #endBlock(): void {
    if (this.#used > 0) this.#pieces.push(this.#block.subarray(0, this.#used));
    this.#block = this.#block.subarray(this.#used);
    this.#used = 0;
  }
}
