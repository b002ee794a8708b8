/** A redis-server that can be killed, frozen and filled. All its starts use one socket and one append-only file. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { Redis } from 'ioredis';
import programs from '../src/queue/redis/redis-programs.json' with { type: 'json' };

export interface RedisServer {
  /** `unix:/path/to/redis.sock` */
  readonly url: string;
  readonly socket: string;
  /** For the torture run's own commands. It fails at once while the server is down. */
  readonly client: Redis;
  /** Starts it and waits until it has read its file. */
  start(): Promise<void>;
  /** Sends the signal and waits for the end. */
  end(signal: 'SIGKILL' | 'SIGTERM'): Promise<void>;
  freeze(): void;
  thaw(): void;
  /** From now on Redis refuses each write as out of memory, until `empty`. */
  fill(): Promise<void>;
  empty(): Promise<void>;
  close(): Promise<void>;
}

const POLL_MS = 20;

/** The data lie in `folder`, which must be empty. */
export function openRedisServer(folder: string): RedisServer {
  const program = findProgram();
  const socket = join(folder, 'redis.sock');
  const client = new Redis({ path: socket, lazyConnect: true, retryStrategy: () => POLL_MS, maxRetriesPerRequest: 0 });
  client.on('error', () => undefined);
  let child: ChildProcess | undefined;
  const end = async (signal: NodeJS.Signals) => {
    if (!child) return;
    const exited = once(child, 'exit');
    child.kill(signal);
    await exited;
    child = undefined;
  };
  return {
    url: `unix:${socket}`,
    socket,
    client,
    start: async () => {
      child = spawn(program, options(folder, socket), { stdio: 'ignore' });
      await untilItAnswers(client);
    },
    end,
    freeze: () => void child?.kill('SIGSTOP'),
    thaw: () => void child?.kill('SIGCONT'),
    fill: async () => void (await client.config('SET', 'maxmemory', '1')),
    empty: async () => void (await client.config('SET', 'maxmemory', '0')),
    close: async () => {
      client.disconnect();
      await end('SIGKILL');
    },
  };
}

function options(folder: string, socket: string): string[] {
  const settings = {
    port: '0',
    unixsocket: socket,
    unixsocketperm: '700',
    dir: folder,
    appendonly: 'yes',
    appendfsync: 'always',
    save: '',
    'maxmemory-policy': 'noeviction',
  };
  return Object.entries(settings).flatMap(([name, value]) => [`--${name}`, value]);
}

function findProgram(): string {
  const folders = [...(process.env['PATH'] ?? '').split(delimiter), ...programs.folders];
  const files = folders.filter(Boolean).flatMap((folder) => programs.names.map((name) => join(folder, name)));
  const found = files.find(isProgram);
  if (found === undefined) throw new Error('No redis-server was found: install one (apt-get install redis-server).');
  return found;
}

function isProgram(file: string): boolean {
  try {
    accessSync(file, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

async function untilItAnswers(client: Redis): Promise<void> {
  for (;;) {
    try {
      if (client.status === 'wait') await client.connect();
      await client.ping();
      return;
    } catch {
      await delay(POLL_MS);
    }
  }
}
