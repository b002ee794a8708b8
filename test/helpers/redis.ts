/** A real Redis for the tests of a file, gone at its end; each test has a namespace of its own in it. */
import { randomUUID } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onTestFinished, test as testWithoutRedis } from 'vitest';
import { type EmbeddedRedis, openEmbeddedRedis } from '../../src/queue/redis/embedded-redis.ts';
import { type Keys, makeKeys } from '../../src/queue/redis/keys.ts';
import { openRedis, type RedisClient, type RedisLocation, type ReconnectMode } from '../../src/queue/redis/client.ts';
import { openRedisProxy, type RedisProxy } from './redis-proxy.ts';

export interface TestRedis {
  readonly location: RedisLocation;
  readonly dataDir: string;
  /** Ends the server as a crash of the machine would not: what it was sent is on disk. */
  stop(): Promise<void>;
  /** Starts it again on the same data and the same socket. */
  start(): Promise<void>;
  close(): Promise<void>;
}

export async function startTestRedis(): Promise<TestRedis> {
  const dataDir = mkdtempSync(join(tmpdir(), 'relay365-redis-'));
  let server: EmbeddedRedis | undefined = await openEmbeddedRedis(dataDir, process.env['PATH'] ?? '');
  const stop = async () => {
    await server?.close();
    server = undefined;
  };
  return {
    location: { url: server.url, sentinels: [], sentinelMaster: '', clusterNodes: [] },
    dataDir,
    stop,
    start: async () => {
      server = await openEmbeddedRedis(dataDir, process.env['PATH'] ?? '');
    },
    close: async () => {
      await stop();
      rmSync(dataDir, { recursive: true, force: true });
    },
  };
}

/** A test with a Redis that is its file's: `test('…', async ({ redis }) => …)`; `client` and `keys` are the test's own. */
export const test = testWithoutRedis
  // biome-ignore lint/correctness/noEmptyPattern: Vitest reads from the pattern which fixtures this one needs.
  .extend('redis', { scope: 'file' }, async ({}, { onCleanup }) => {
    const redis = await startTestRedis();
    onCleanup(redis.close);
    return redis;
  })
  .extend('client', ({ redis }) => connectTo(redis))
  // biome-ignore lint/correctness/noEmptyPattern: as above.
  .extend('keys', ({}) => testKeys());

/** A proxy to it, until the test's end, that can be cut. */
export async function openProxyTo({ location }: TestRedis): Promise<RedisProxy & { readonly location: RedisLocation }> {
  const proxy = await openRedisProxy(decodeURIComponent(new URL(location.url).pathname));
  onTestFinished(proxy.close);
  return { ...proxy, location: { ...location, url: proxy.url } };
}

export function testKeys(): Keys {
  return makeKeys(`test-${randomUUID()}`);
}

/** A connection until the test's end. */
export function connectTo({ location }: TestRedis, mode: ReconnectMode = 'patient'): RedisClient {
  const redis = openRedis(location, mode, 'test');
  redis.on('error', () => undefined);
  onTestFinished(() => redis.disconnect());
  return redis;
}
