/** Collects a message's bytes after DATA up to the final dot (RFC 5321 4.1.1.4, 4.5.2). */

/** A message as it came after DATA. */
export interface Data {
  /** Without its dot stuffing. Undefined if it was longer than the limit. */
  readonly raw: Buffer | undefined;
  readonly hasBareLineFeeds: boolean;
}

const CRLF = Buffer.from('\r\n');
const DOT_LINE = Buffer.from('\r\n.');
const END_OF_DATA = Buffer.from('\r\n.\r\n');
const LF = 0x0a;
const CR = 0x0d;

export class DataBuffer {
  readonly #bytesMax: number;
  // Begins with the end of the DATA line, because a message may be empty or begin with a dot.
  #chunks: Buffer[] = [CRLF];
  #bytes = CRLF.length;
  #tail: Buffer = CRLF;

  /** Keeps a message of at most this size without dot stuffing. */
  constructor(bytesMax: number) {
    // A line with only a dot grows from 3 bytes to 4. No other line grows more.
    this.#bytesMax = Math.ceil((bytesMax * 4) / 3) + DOT_LINE.length;
  }

  /** Adds the next bytes. Returns the message and the bytes after it once the final dot has arrived. */
  push(chunk: Buffer): { readonly data: Data; readonly rest: Buffer } | undefined {
    const window = Buffer.concat([this.#tail, chunk]);
    const windowStart = this.#bytes - this.#tail.length;
    this.#keep(chunk);
    const end = window.indexOf(END_OF_DATA);
    if (end >= 0)
      return { data: this.#finish(windowStart + end + CRLF.length), rest: window.subarray(end + END_OF_DATA.length) };
    this.#tail = window.subarray(-(END_OF_DATA.length - 1));
    return undefined;
  }

  #keep(chunk: Buffer): void {
    this.#bytes += chunk.length;
    if (this.#bytes <= this.#bytesMax) this.#chunks.push(chunk);
    else this.#chunks = [];
  }

  #finish(end: number): Data {
    if (this.#chunks.length === 0) return { raw: undefined, hasBareLineFeeds: false };
    const stuffed = Buffer.concat(this.#chunks).subarray(0, end);
    return { raw: unstuff(stuffed), hasBareLineFeeds: hasBareLineFeeds(stuffed) };
  }
}

/** Removes the first line end, and the first dot of every line that begins with one. */
function unstuff(stuffed: Buffer): Buffer {
  const pieces: Buffer[] = [];
  let from = CRLF.length;
  for (let at = stuffed.indexOf(DOT_LINE); at >= 0; at = stuffed.indexOf(DOT_LINE, from)) {
    pieces.push(stuffed.subarray(from, at + CRLF.length));
    from = at + DOT_LINE.length;
  }
  return Buffer.concat([...pieces, stuffed.subarray(from)]);
}

function hasBareLineFeeds(bytes: Buffer): boolean {
  for (let at = bytes.indexOf(LF); at >= 0; at = bytes.indexOf(LF, at + 1)) {
    if (bytes[at - 1] !== CR) return true;
  }
  return false;
}
