/** What each part of the benchmark starts with: its own folder, Redis and sink. They are removed at the part's end. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type BenchRedis, openRedis } from './redis.ts';
import { openSink, type Sink } from './sink/sink.ts';

export interface Scene extends AsyncDisposable {
  readonly dir: string;
  readonly redis: BenchRedis;
  readonly sink: Sink;
  /** Closes it at the end, last opened first. */
  keep<T extends { close(): Promise<void> }>(opened: T): T;
}

export async function openScene(redisSettings: Readonly<Record<string, string>> = {}): Promise<Scene> {
  const stack = new AsyncDisposableStack();
  const keep = <T extends { close(): Promise<void> }>(opened: T): T => stack.adopt(opened, (one) => one.close());
  const dir = mkdtempSync(join(tmpdir(), 'relay365-bench-'));
  stack.defer(() => rmSync(dir, { recursive: true, force: true }));
  const redis = keep(await openRedis(dir, redisSettings));
  const sink = keep(await openSink(dir));
  return { dir, redis, sink, keep, [Symbol.asyncDispose]: () => stack.disposeAsync() };
}
