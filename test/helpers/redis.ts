/** A real Redis for the tests of a file, gone at its end; each test has a namespace of its own in it. */
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import { type EmbeddedRedis, openEmbeddedRedis } from '../../src/queue/embedded-redis.ts';
import { type Keys, makeKeys } from '../../src/queue/keys.ts';
import { openRedis, type RedisClient, type RedisLocation, type Temper } from '../../src/queue/redis.ts';

export interface TestRedis {
  readonly location: RedisLocation;
  readonly dataDir: string;
  /** Ends the server as a crash of the machine would not: what it was told is on disk. */
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

/** A way to Redis that can be cut: what was under way stays there, as when a network fails. */
export async function openWayTo({ location }: TestRedis): Promise<RedisWay> {
  const path = decodeURIComponent(new URL(location.url).pathname);
  const sockets = new Set<Socket>();
  const server = createServer((near) => {
    const far = connect(path);
    for (const [one, other] of [
      [near, far],
      [far, near],
    ] as const) {
      sockets.add(one);
      one.on('error', () => other.destroy()).on('close', () => other.destroy());
      one.pipe(other);
    }
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  onTestFinished(() => {
    server.close();
    for (const socket of sockets) socket.destroy();
  });
  const { port } = server.address() as AddressInfo;
  return {
    location: { ...location, url: `redis://127.0.0.1:${port}` },
    cut: () => {
      for (const socket of sockets) socket.unpipe().pause();
    },
    mend: () => {
      for (const socket of sockets) socket.destroy();
      sockets.clear();
    },
  };
}

export interface RedisWay {
  readonly location: RedisLocation;
  cut(): void;
  /** The connections that were cut end, and new ones can be made. */
  mend(): void;
}

export function testKeys(): Keys {
  return makeKeys(`test-${randomUUID()}`);
}

/** A connection until the test's end. */
export function connectTo({ location }: TestRedis, temper: Temper = 'patient'): RedisClient {
  const redis = openRedis(location, temper, 'test');
  redis.on('error', () => undefined);
  onTestFinished(() => redis.disconnect());
  return redis;
}
