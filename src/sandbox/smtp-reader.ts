/**
 * Reads lines and message bytes from an SMTP client, in the order in which the server asks for them. So commands that a
 * client sends ahead (RFC 2920) wait until they are read.
 */
import type { Duplex } from 'node:stream';
import { type Data, DataBuffer } from './smtp-data.ts';

/** Longer command lines are refused. An XOAUTH2 line contains a token of a few kilobytes. */
const LINE_BYTES_MAX = 64 * 1024;
/** With more unread bytes, the socket is paused and the client must wait. */
const AHEAD_BYTES_MAX = 1024 * 1024;
export type Line = { readonly kind: 'line'; readonly text: string } | { readonly kind: 'too-long' };

export class SmtpReader {
  readonly #stream: Duplex;
  #ahead: Buffer[] = [];
  #aheadBytes = 0;
  #ended = false;
  #wake: () => void = () => {};

  constructor(stream: Duplex) {
    this.#stream = stream;
    stream.on('data', this.#onData);
    stream.on('end', this.#onEnd);
    stream.on('close', this.#onEnd);
  }

  /** The next line without its line end. Undefined if the client has disconnected. */
  async readLine(): Promise<Line | undefined> {
    let held = Buffer.alloc(0);
    let tooLong = false;
    for (let chunk = await this.#take(); chunk; chunk = await this.#take()) {
      const end = chunk.indexOf(0x0a);
      if (end >= 0) {
        this.#putBack(chunk.subarray(end + 1));
        const line = Buffer.concat([held, chunk.subarray(0, end)]);
        return tooLong ? { kind: 'too-long' } : { kind: 'line', text: line.toString('utf8').replace(/\r$/, '') };
      }
      tooLong ||= held.length + chunk.length > LINE_BYTES_MAX;
      held = tooLong ? Buffer.alloc(0) : Buffer.concat([held, chunk]);
    }
    return undefined;
  }

  /** The message up to the final dot. Undefined if the client has disconnected before. */
  async readData(bytesMax: number): Promise<Data | undefined> {
    const buffer = new DataBuffer(bytesMax);
    for (let chunk = await this.#take(); chunk; chunk = await this.#take()) {
      const finished = buffer.push(chunk);
      if (!finished) continue;
      this.#putBack(finished.rest);
      return finished.data;
    }
    return undefined;
  }

  /** The next `count` bytes, for BDAT. Undefined if the client has disconnected before. */
  async readBytes(count: number): Promise<Buffer | undefined> {
    const chunks: Buffer[] = [];
    for (let left = count; left > 0; ) {
      const chunk = await this.#take();
      if (!chunk) return undefined;
      chunks.push(chunk.subarray(0, left));
      this.#putBack(chunk.subarray(left));
      left -= Math.min(left, chunk.length);
    }
    return Buffer.concat(chunks);
  }

  /** Stops reading. What was sent ahead of TLS is dropped, because it may come from an attacker (CVE-2011-0411). */
  detach(): void {
    this.#ended = true;
    this.#stream.off('data', this.#onData);
    this.#stream.off('end', this.#onEnd);
    this.#stream.off('close', this.#onEnd);
    this.#wake();
  }

  #onData = (chunk: Buffer): void => {
    this.#putLast(chunk);
    if (this.#aheadBytes > AHEAD_BYTES_MAX) this.#stream.pause();
    this.#wake();
  };

  #onEnd = (): void => {
    this.#ended = true;
    this.#wake();
  };

  /** The first chunk, now or when it arrives. Undefined after the last. */
  async #take(): Promise<Buffer | undefined> {
    while (this.#ahead.length === 0 && !this.#ended) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
    const chunk = this.#ahead.shift();
    this.#aheadBytes -= chunk?.length ?? 0;
    if (this.#aheadBytes <= AHEAD_BYTES_MAX && this.#stream.isPaused()) this.#stream.resume();
    return chunk;
  }

  #putLast(chunk: Buffer): void {
    this.#ahead.push(chunk);
    this.#aheadBytes += chunk.length;
  }

  #putBack(chunk: Buffer): void {
    if (chunk.length === 0) return;
    this.#ahead.unshift(chunk);
    this.#aheadBytes += chunk.length;
  }
}
