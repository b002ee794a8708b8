/**
 * A client that posts the same request again and again: each connection posts the next as soon as the last is answered.
 * It writes to sockets itself, because an HTTP client would use as much of the machine as the server that is measured.
 */
import { connect, type Socket } from 'node:net';
import { nowMs } from './clock.ts';
import { quantile } from './measure.ts';

export interface LoadOptions {
  /** The servers, each with an equal share of the connections. */
  readonly urls: readonly string[];
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body: object;
  readonly connections: number;
  /** How long to go on, or how many requests to post. */
  readonly length: { readonly ms: number } | { readonly requests: number };
}

export interface LoadResult {
  /** Answered with 2xx. */
  readonly requests: number;
  readonly perSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
}

/** Nothing was queued because the machine had no time for Redis. The same request is posted again; its time goes on. */
const NOT_QUEUED = ':queue-unavailable"';
const PAUSE_MS = 100;

/** Rejects at the first answer that is neither 2xx nor a request to try again. */
export async function load(options: LoadOptions): Promise<LoadResult> {
  const startedAt = nowMs();
  const latencies: number[] = [];
  const admit = turns(options.length, startedAt);
  const runs = Array.from({ length: options.connections }, (_, n) => {
    const url = new URL(options.urls[n % options.urls.length] ?? '');
    return postInTurns(url, requestBytes(url, options), admit, latencies);
  });
  await Promise.all(runs);
  const seconds = (nowMs() - startedAt) / 1_000;
  return {
    requests: latencies.length,
    perSecond: latencies.length / seconds,
    p50Ms: quantile(latencies, 0.5),
    p99Ms: quantile(latencies, 0.99),
  };
}

/** True for each request that is still to be posted. */
function turns(length: LoadOptions['length'], startedAt: number): () => boolean {
  if ('ms' in length) return () => nowMs() < startedAt + length.ms;
  let started = 0;
  return () => started++ < length.requests;
}

function requestBytes({ host }: URL, { path, headers = {}, body }: LoadOptions): Buffer {
  const json = Buffer.from(JSON.stringify(body));
  const all = { host, 'content-type': 'application/json', 'content-length': String(json.length), ...headers };
  const head = Object.entries(all).map(([name, value]) => `${name}: ${value}\r\n`);
  return Buffer.concat([Buffer.from(`POST ${path} HTTP/1.1\r\n${head.join('')}\r\n`), json]);
}

/** One connection's posts, until enough requests are posted. */
function postInTurns(url: URL, request: Buffer, admit: () => boolean, latencies: number[]): Promise<void> {
  return new Promise((resolve, reject) => {
    const socket: Socket = connect({ host: url.hostname, port: Number(url.port), noDelay: true });
    let sentAt = 0;
    let held = '';
    const next = () => {
      if (!admit()) {
        socket.end();
        return resolve();
      }
      sentAt = nowMs();
      socket.write(request);
    };
    socket.setEncoding('latin1');
    socket.on('connect', next);
    socket.on('error', reject);
    socket.on('close', () => reject(new Error('The server closed the connection.')));
    socket.on('data', (chunk: string) => {
      held += chunk;
      const length = lengthOf(held);
      if (held.length < length) return;
      const answer = held;
      held = '';
      if (answer.includes(NOT_QUEUED)) return setTimeout(() => socket.write(request), PAUSE_MS);
      latencies.push(nowMs() - sentAt);
      if (answer.startsWith('HTTP/1.1 2')) return next();
      reject(new Error(answer));
      socket.destroy();
    });
  });
}

/** The whole answer's length; infinite while its head is not there. Both servers send Content-Length. */
function lengthOf(answer: string): number {
  const head = answer.indexOf('\r\n\r\n');
  const body = /^content-length: *(\d+)/im.exec(answer)?.[1];
  return head < 0 || body === undefined ? Number.POSITIVE_INFINITY : head + 4 + Number(body);
}
