/** A Redis for one part of the benchmark: a redis-server of its own with an append-only file on this machine's disk. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { join } from 'node:path';
import { Redis } from 'ioredis';
import { end, killAtExit } from './process.ts';

/** When a write is on disk: before Redis answers, or within a second. */
export type Fsync = 'always' | 'everysec';
export const FSYNCS: readonly Fsync[] = ['always', 'everysec'];

export interface BenchRedis {
  readonly url: string;
  readonly pid: number;
  readonly client: Redis;
  setFsync(fsync: Fsync): Promise<void>;
  /** Deletes everything except the scripts. */
  clear(): Promise<void>;
  /** A figure of INFO. */
  info(name: string): Promise<number>;
  close(): Promise<void>;
}

/** `redis-server` must be on the PATH. */
export async function openRedis(parent: string, settings: Readonly<Record<string, string>> = {}): Promise<BenchRedis> {
  const port = await freePort();
  const dir = join(parent, `redis-${port}`);
  mkdirSync(dir);
  const child = spawn('redis-server', options(dir, port, settings), { stdio: 'ignore' });
  await once(child, 'spawn').catch((cause: unknown) => {
    throw new Error('The benchmark needs redis-server on the PATH.', { cause });
  });
  killAtExit(child);
  const client = new Redis({ port, host: '127.0.0.1', maxRetriesPerRequest: null });
  client.on('error', () => undefined);
  // Waits for the connection: ioredis tries again until Redis is up.
  await client.ping();
  return makeRedis(child, client, `redis://127.0.0.1:${port}`);
}

function makeRedis(child: ChildProcess, client: Redis, url: string): BenchRedis {
  return {
    url,
    pid: child.pid ?? 0,
    client,
    setFsync: async (fsync) => {
      await client.config('SET', 'appendfsync', fsync);
    },
    clear: async () => {
      await client.flushall('SYNC');
    },
    info: async (name) => Number(new RegExp(`^${name}:(.*)$`, 'm').exec(await client.info())?.[1]),
    close: async () => {
      client.disconnect();
      await end(child);
    },
  };
}

/** As in compose.yaml, except that the append-only file is not rewritten: that would disturb some of the rounds. */
function options(dir: string, port: number, settings: Readonly<Record<string, string>>): string[] {
  const all: Readonly<Record<string, string>> = {
    port: String(port),
    bind: '127.0.0.1',
    dir,
    appendonly: 'yes',
    appendfsync: 'always',
    save: '',
    'maxmemory-policy': 'noeviction',
    'auto-aof-rewrite-percentage': '0',
    ...settings,
  };
  return Object.entries(all).flatMap(([name, value]) => [`--${name}`, value]);
}

/** A port that is free at this moment. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}
