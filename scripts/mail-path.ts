/**
 * Prints the files of ours through which a message goes from `POST /send` to `sent`, and the functions that run for it:
 * what V8 counts in the API and a worker while they send one message to the sandbox. The connection and the token are
 * there already. The sandbox is left out, and so is upkeep: only what runs for each of several messages counts.
 *
 *   node scripts/mail-path.ts [--functions]
 */
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { type Profiler, Session } from 'node:inspector/promises';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { PassThrough } from 'node:stream';
import { setTimeout as delay } from 'node:timers/promises';
import tls from 'node:tls';
import { fileURLToPath } from 'node:url';
import { pino } from 'pino';
import { openApi } from '../src/app/api-role.ts';
import { openWorker } from '../src/app/worker-role.ts';
import { readConfig } from '../src/config/config.ts';
import { openMetrics } from '../src/observe/metrics.ts';
import { openEmbeddedRedis } from '../src/queue/redis/embedded-redis.ts';
import { makeKeys } from '../src/queue/redis/keys.ts';
import { openSandbox, type Sandbox } from '../src/sandbox/sandbox.ts';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const SOURCES = join(ROOT, 'src/');
const SANDBOX = join(SOURCES, 'sandbox/');
const WARM_UP_MESSAGES = 10;
const MEASURED_MESSAGES = 10;
/** After `sent` the job ends, and the connection is free again. */
const JOB_END_MS = 100;

interface Service {
  /** Resolves when the message is sent and its job has ended. */
  send(): Promise<void>;
  close(): Promise<void>;
}

const service = await openService();
for (let n = 0; n < WARM_UP_MESSAGES; n += 1) await service.send();
const runs = await measure(service);
await service.close();
print(inEach(runs));

async function openService(): Promise<Service> {
  const stack = new AsyncDisposableStack();
  const dataDir = mkdtempSync(join(tmpdir(), 'relay365-mail-path-'));
  stack.defer(() => rmSync(dataDir, { recursive: true, force: true }));
  const redis = await openEmbeddedRedis(dataDir, process.env['PATH'] ?? '');
  stack.defer(redis.close);
  const sandbox = await openSandbox();
  stack.defer(sandbox.close);
  tls.setDefaultCACertificates([sandbox.caCertificate]);
  const lines = new PassThrough();
  const shared = {
    config: readConfig(environment(sandbox), 'all'),
    location: { url: redis.url, sentinels: [], sentinelMaster: '', clusterNodes: [] },
    keys: makeKeys('mail-path'),
    log: pino({}, lines),
    metrics: openMetrics(),
  };
  const worker = await openWorker(shared);
  stack.defer(worker.close);
  const api = await openApi(shared);
  stack.defer(api.close);
  return { send: () => send(api.url, lines), close: () => stack.disposeAsync() };
}

function environment({ mailbox, smtp, authorityHost }: Sandbox): Record<string, string> {
  return {
    M365_MAILBOX: mailbox.address,
    M365_MESSAGES_PER_MINUTE: '0',
    AZURE_TENANT_ID: mailbox.tenantId,
    AZURE_CLIENT_ID: mailbox.clientId,
    AZURE_CLIENT_SECRET: mailbox.clientSecret,
    AZURE_AUTHORITY_HOST: authorityHost,
    SMTP_HOST: smtp.host,
    SMTP_PORT: String(smtp.port),
    HOST: '127.0.0.1',
    PORT: '0',
  };
}

async function send(url: string, lines: PassThrough): Promise<void> {
  const sent = logged(lines, 'sent');
  const { status } = await fetch(`${url}/send`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ to: 'someone@example.com', subject: 'Hello', text: 'Hello there.' }),
  });
  if (status !== 202) throw new Error(`POST /send answered ${status}.`);
  await sent;
  await delay(JOB_END_MS);
}

/** The log, not the API, says when the message is sent: a request would run code of its own. */
async function logged(lines: PassThrough, msg: string): Promise<void> {
  for (;;) {
    const [chunk] = await once(lines, 'data');
    if (String(chunk).includes(`"msg":"${msg}"`)) return;
  }
}

/** For each message, the functions that ran, as `path name:offset`. */
async function measure({ send }: Service): Promise<Set<string>[]> {
  const session = new Session();
  session.connect();
  await session.post('Profiler.enable');
  await session.post('Profiler.startPreciseCoverage', { callCount: true, detailed: false });
  const runs: Set<string>[] = [];
  for (let n = 0; n < MEASURED_MESSAGES; n += 1) {
    // Taking the counts sets them to zero.
    await session.post('Profiler.takePreciseCoverage');
    await send();
    const { result } = await session.post('Profiler.takePreciseCoverage');
    runs.push(new Set(result.flatMap(functionsOf)));
  }
  session.disconnect();
  return runs;
}

function functionsOf({ url, functions }: Profiler.ScriptCoverage): string[] {
  const path = url.startsWith('file:') ? fileURLToPath(url) : url;
  if (!path.startsWith(SOURCES) || path.startsWith(SANDBOX)) return [];
  return functions
    .filter(({ ranges: [range] }) => range && range.count > 0)
    .map(({ functionName, ranges: [range] }) => `${relative(ROOT, path)} ${functionName}:${range?.startOffset}`);
}

function inEach([first = new Set(), ...others]: readonly Set<string>[]): Set<string> {
  return new Set([...first].filter((key) => others.every((run) => run.has(key))));
}

function print(functions: Set<string>): void {
  const files = Map.groupBy([...functions].sort(), (key) => key.slice(0, key.indexOf(' ')));
  for (const [file, keys] of files) {
    const names = keys.map((key) => /(?<= )[^:]*/.exec(key)?.[0] || '(anonymous)');
    process.stdout.write(`${String(keys.length).padStart(4)} ${file}\n`);
    if (process.argv.includes('--functions')) process.stdout.write(`       ${names.join(', ')}\n`);
  }
  process.stdout.write(`${functions.size} functions in ${files.size} files\n`);
}
