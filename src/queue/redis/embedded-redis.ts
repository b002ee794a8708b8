/**
 * The Redis that comes with `npm start`: a real redis-server as a child, on a socket that only this user can reach, its
 * append-only file written to disk at each accept. It ends with the service, after everything that needs it.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { access, chmod, constants, mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, join, resolve } from 'node:path';
import { messageOf } from '../../lib/errors.ts';
import { Redis } from 'ioredis';
import programs from './redis-programs.json' with { type: 'json' };

export interface EmbeddedRedis {
  /** `unix:/path/to/redis.sock` */
  readonly url: string;
  /** Settles when the server has ended without being asked to. */
  readonly ended: Promise<Error>;
  /** Writes what is not written yet and ends the server. */
  close(): Promise<void>;
}

/** A Unix socket's path has some 104 bytes on the narrowest system. */
const SOCKET_PATH_LENGTH_MAX = 100;
const OWNER_NAME = 'relay365:owner';
const POLL_MS = 20;
const OUTPUT_LENGTH_MAX = 4_000;

/**
 * Starts the server on the data in `dataDir` and waits until it has read them. Rejects when there is no server program
 * or another relay365 uses the same data; a server that a killed relay365 left behind is ended first.
 */
export async function openEmbeddedRedis(dataDir: string, path: string): Promise<EmbeddedRedis> {
  const program = await findServer(path);
  const dir = resolve(dataDir);
  await makeFolder(dir);
  await endOrphan(join(dir, 'redis.sock'), dir);
  const { socket, removeSocket } = await socketFor(dir);
  const child = spawn(program, serverOptions(dir, socket), {
    stdio: ['ignore', 'pipe', 'pipe'],
    // Its own process group: Ctrl-C in a terminal must reach only relay365, which ends Redis last.
    detached: true,
    // It needs nothing of our environment, least of all the secrets.
    env: {},
  });
  const output = collectOutput(child);
  const exited = once(child, 'exit').then(
    ([code, signal]) => new Error(`redis-server ended (${signal ?? `code ${code}`}): ${output()}`),
  );
  const owner = await connectOwner(socket, exited);
  const ended = Promise.withResolvers<Error>();
  let closing = false;
  void exited.then((error) => closing || ended.resolve(error));
  return {
    url: `unix:${encodeURI(socket)}`,
    ended: ended.promise,
    close: async () => {
      closing = true;
      owner.disconnect();
      child.kill('SIGTERM');
      await exited;
      await removeSocket();
    },
  };
}

async function makeFolder(dir: string): Promise<void> {
  try {
    await mkdir(dir, { recursive: true, mode: 0o700 });
    await access(dir, constants.W_OK);
  } catch (cause) {
    throw new Error(
      `${dir} cannot be written to (${messageOf(cause)}): set DATA_DIR to a folder that relay365 may write to.`,
      { cause },
    );
  }
}

function serverOptions(dir: string, socket: string): string[] {
  const options: Readonly<Record<string, string>> = {
    port: '0',
    unixsocket: socket,
    unixsocketperm: '700',
    dir,
    appendonly: 'yes',
    appendfsync: 'always',
    save: '',
    'maxmemory-policy': 'noeviction',
    daemonize: 'no',
    'auto-aof-rewrite-percentage': '100',
    'auto-aof-rewrite-min-size': '64mb',
  };
  return Object.entries(options).flatMap(([name, value]) => [`--${name}`, value]);
}

/** The first server program on the PATH or in the usual folders. */
export async function findServer(path: string): Promise<string> {
  const folders = [...path.split(delimiter).filter(Boolean), ...programs.folders];
  for (const file of folders.flatMap((folder) => programs.names.map((name) => join(folder, name)))) {
    if (
      await access(file, constants.X_OK).then(
        () => true,
        () => false,
      )
    )
      return file;
  }
  throw new Error(
    'No redis-server or valkey-server was found: install one (apt-get install redis-server), or set REDIS_URL.',
  );
}

async function socketFor(dir: string): Promise<{ socket: string; removeSocket: () => Promise<void> }> {
  const socket = join(dir, 'redis.sock');
  if (Buffer.byteLength(socket) <= SOCKET_PATH_LENGTH_MAX)
    return { socket, removeSocket: () => rm(socket, { force: true }) };
  const folder = await mkdtemp(join(tmpdir(), 'relay365-'));
  await chmod(folder, 0o700);
  return { socket: join(folder, 'redis.sock'), removeSocket: () => rm(folder, { recursive: true, force: true }) };
}

/** Two servers on one append-only file would destroy it. */
async function endOrphan(socket: string, dir: string): Promise<void> {
  const found = await connect(socket);
  if (!found) return;
  const clients = String(await found.client('LIST'));
  if (clients.includes(`name=${OWNER_NAME}`)) {
    found.disconnect();
    throw new Error(`Another relay365 is running on the data in ${dir}. Stop it, or set DATA_DIR to another folder.`);
  }
  await found.shutdown().catch(() => undefined);
  while (await connect(socket)) await delay(POLL_MS);
}

/** A connection to a server that answers; undefined when no server does. */
async function connect(socket: string): Promise<Redis | undefined> {
  const redis = new Redis({ path: socket, lazyConnect: true, retryStrategy: () => null, maxRetriesPerRequest: 0 });
  redis.on('error', () => undefined);
  try {
    await redis.connect();
    return redis;
  } catch {
    redis.disconnect();
    return undefined;
  }
}

/** Waits until the server answers; its connection's name shows another relay365 that the data are in use. */
async function connectOwner(socket: string, exited: Promise<Error>): Promise<Redis> {
  const gone = { error: undefined as Error | undefined };
  void exited.then((error) => {
    gone.error = error;
  });
  for (;;) {
    const redis = await connect(socket);
    if (redis) {
      await redis.client('SETNAME', OWNER_NAME);
      return redis;
    }
    if (gone.error) throw gone.error;
    await delay(POLL_MS);
  }
}

function collectOutput(child: ChildProcess): () => string {
  let text = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream?.setEncoding('utf8').on('data', (chunk: string) => {
      text = (text + chunk).slice(-OUTPUT_LENGTH_MAX);
    });
  }
  return () => text.trim();
}

function delay(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
