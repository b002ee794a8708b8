/**
 * Reads what an SMTP client sends, in the order in which it is asked for: lines, then a message's bytes, then lines
 * again. So commands that a client sends ahead (RFC 2920) simply wait for their turn.
 */
import type { Duplex } from 'node:stream';
import { type Data, DataCollector } from './smtp-data.ts';

/** Longer command lines are refused; an XOAUTH2 line carries a token of some kilobytes. */
const LINE_BYTES_MAX = 64 * 1024;
/** Beyond this the client is made to wait (TCP's window closes). */
const AHEAD_BYTES_MAX = 1024 * 1024;
export type Route = { readonly kind: 'line'; readonly text: string } | { readonly kind: 'too-long' };

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

  /** The next line without its end; undefined when the client has gone. */
  async readLine(): Promise<Route | undefined> {
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

  /** The message up to the final dot; undefined when the client has gone before. */
  async readData(bytesMax: number): Promise<Data | undefined> {
    const collector = new DataCollector(bytesMax);
    for (let chunk = await this.#take(); chunk; chunk = await this.#take()) {
      const finished = collector.push(chunk);
      if (!finished) continue;
      this.#putBack(finished.rest);
      return finished.data;
    }
    return undefined;
  }

  /** The next bytes, as BDAT counts them; undefined when the client has gone before. */
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

  /** Leaves the stream to another reader. What was sent ahead of TLS is dropped: it may be an attacker's (CVE-2011-0411). */
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

  /** What there is, or the next that comes; undefined after the last. */
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
