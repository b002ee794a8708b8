/** relay365 as an operator runs it: API and workers in their own processes, on one Redis, sending to the sink. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Bench } from './measure.ts';
import { type Program, start, untilReady } from './process.ts';
import { type BenchRedis, freePort } from './redis.ts';
import { APPLICATION, type Sink } from './sink/sink.ts';

/** The mailbox that is the default sender. */
export const MAILBOX = 'noreply@contoso.example';
const KEY = 'a-key-of-the-benchmark';
export const AUTHORIZATION = { authorization: `Bearer ${KEY}` };

export interface RelayOptions {
  readonly dir: string;
  readonly redis: BenchRedis;
  readonly sink: Sink;
  readonly apis?: number;
  readonly workers?: number;
  /** Added to the defaults, which are 10 connections and no other limit. */
  readonly env?: Readonly<Record<string, string>>;
  /** relay365.yaml. */
  readonly yaml?: string;
  /** Another program instead of src/worker.ts. */
  readonly workerFile?: string;
}

export interface Relay {
  /** Of each API. */
  readonly urls: readonly string[];
  readonly apis: readonly Program[];
  readonly workers: readonly Program[];
  /** Sends a request to the first API. */
  request(method: string, path: string, body?: object): Promise<Response>;
  /** Stops and starts sending. Messages are still accepted. */
  pause(): Promise<void>;
  resume(): Promise<void>;
  close(): Promise<void>;
}

/** Resolves once each API is ready. */
export async function openRelay(options: RelayOptions, { profileDir }: Pick<Bench, 'profileDir'>): Promise<Relay> {
  const { apis = 1, workers = 1, workerFile = 'src/worker.ts' } = options;
  const execArgv = profileDir === undefined ? [] : ['--cpu-prof', `--cpu-prof-dir=${profileDir}`];
  const ports = await Promise.all(Array.from({ length: apis }, freePort));
  const startOne = (file: string, more: Readonly<Record<string, string>>, name: string) => {
    const dir = join(options.dir, name);
    mkdirSync(dir, { recursive: true });
    if (options.yaml !== undefined) writeFileSync(join(dir, 'relay365.yaml'), options.yaml);
    return start({ file, dir, execArgv, env: { ...variables(options), ...more } });
  };
  const urls = ports.map((port) => `http://127.0.0.1:${port}`);
  const programs = {
    apis: ports.map((port, n) => startOne('src/api.ts', { PORT: String(port) }, `api-${n}`)),
    workers: Array.from({ length: workers }, (_, n) => startOne(workerFile, {}, `worker-${n}`)),
  };
  const request = (method: string, path: string, body?: object) =>
    fetch(`${urls[0]}${path}`, {
      method,
      headers: { ...AUTHORIZATION, ...(body && { 'content-type': 'application/json' }) },
      ...(body && { body: JSON.stringify(body) }),
    });
  await Promise.all(urls.map((url, n) => untilReady(`${url}/health/ready`, join(options.dir, `api-${n}`))));
  return {
    urls,
    ...programs,
    request,
    pause: () => command(request, 'pause'),
    resume: () => command(request, 'resume'),
    close: async () => {
      await Promise.all([...programs.apis, ...programs.workers].map((program) => program.close()));
    },
  };
}

async function command(request: Relay['request'], name: string): Promise<void> {
  const response = await request('POST', `/mailboxes/${MAILBOX}/${name}`);
  if (!response.ok) throw new Error(`/mailboxes/${MAILBOX}/${name} answered ${response.status}.`);
}

function variables({ redis, sink, env = {} }: RelayOptions): Record<string, string> {
  return {
    REDIS_URL: redis.url,
    API_KEYS: `bench:${KEY}`,
    M365_MAILBOX: MAILBOX,
    AZURE_TENANT_ID: APPLICATION.tenantId,
    AZURE_CLIENT_ID: APPLICATION.clientId,
    AZURE_CLIENT_SECRET: APPLICATION.clientSecret,
    AZURE_AUTHORITY_HOST: sink.authorityHost,
    SMTP_HOST: 'localhost',
    SMTP_PORT: String(sink.port),
    NODE_EXTRA_CA_CERTS: sink.caFile,
    M365_CONNECTIONS: '10',
    M365_MESSAGES_PER_MINUTE: '0',
    M365_RECIPIENTS_PER_DAY: '0',
    ...env,
  };
}
