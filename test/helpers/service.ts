/**
 * relay365 as a process has it, but within the test: API and workers on a real Redis, sending over real TLS and SMTP to
 * the simulated Exchange with real tokens. All of it is closed at the test's end.
 */
import { randomUUID } from 'node:crypto';
import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import tls from 'node:tls';
import { pino } from 'pino';
import { onTestFinished } from 'vitest';
import { type ApiRole, openApi } from '../../src/app/api-role.ts';
import { type Config, readConfig } from '../../src/config/config.ts';
import { openMetrics } from '../../src/observe/metrics.ts';
import { makeKeys } from '../../src/queue/redis/keys.ts';
import type { RedisLocation } from '../../src/queue/redis/client.ts';
import type { SmtpInLimits } from '../../src/smtp-in/limits.ts';
import { makeServerCertificate, type ServerCertificate } from '../../src/sandbox/certificate.ts';
import { openSandbox, type Sandbox, type SandboxOptions } from '../../src/sandbox/sandbox.ts';
import { openWorker, type WorkerRole, type WorkerTimings } from '../../src/app/worker-role.ts';
import { eventually, untilTrue } from './eventually.ts';

export interface TestServiceOptions {
  readonly location: RedisLocation;
  readonly env?: Readonly<Record<string, string>>;
  /** The content of relay365.yaml. */
  readonly yaml?: string;
  readonly workers?: number;
  readonly sandbox?: SandboxOptions;
  readonly windowMs?: number;
  readonly timings?: WorkerTimings;
  readonly smtpInLimits?: Partial<SmtpInLimits>;
  /** Takes what is to be closed; by default it is closed at the test's end. */
  readonly atEnd?: AtEnd;
}

/** Has something closed later: last opened, first closed. */
export type AtEnd = (close: () => Promise<void>) => void;

export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  // biome-ignore lint/suspicious/noExplicitAny: what the API says is what a test looks into.
  readonly body: any;
}

export interface TestService {
  readonly sandbox: Sandbox;
  readonly url: string;
  /** The ports of SMTP in, where they are configured. */
  readonly smtpIn: ApiRole['smtpIn'];
  readonly env: Readonly<Record<string, string>>;
  readonly namespace: string;
  /** What the processes log, line by line. */
  readonly log: readonly string[];
  request(method: string, path: string, body?: unknown, headers?: Record<string, string>): Promise<Answer>;
  /** Sends a mail and answers with its id. */
  send(mail?: object): Promise<string>;
  /** Waits until the message is as wanted, and answers with it. */
  // biome-ignore lint/suspicious/noExplicitAny: what the API says is what a test looks into.
  until(id: string, isWanted: (message: any) => boolean): Promise<any>;
  /** The same of many, one after the other: asking for all of them at once would slow them down. */
  // biome-ignore lint/suspicious/noExplicitAny: what the API says is what a test looks into.
  untilAll(ids: readonly string[], isWanted: (message: any) => boolean): Promise<any[]>;
  /** A further worker; the variables are its own, beside those of the service, and so may be its way to Redis. */
  addWorker(env?: Readonly<Record<string, string>>, location?: RedisLocation): Promise<WorkerRole>;
  reload(env: Readonly<Record<string, string>>): Promise<void>;
  /** Closes the API, as its process does when it is stopped. */
  close(): Promise<void>;
}

const MAIL = { to: 'someone@example.com', subject: 'Hello', text: 'Hello there.' };
/** A worker that looks often: the tests wait for what it finds. */
const QUICK: WorkerTimings = { checkMs: 500, stalledCheckMs: 500 };
const FINAL = ['sent', 'failed', 'expired', 'canceled'];

export const isFinal = ({ status }: { status: string }): boolean => FINAL.includes(status);

/** Variables with which a process sends through this sandbox. */
export function sandboxEnv(sandbox: Sandbox): Record<string, string> {
  const { mailbox, smtp, authorityHost } = sandbox;
  return {
    M365_MAILBOX: mailbox.address,
    AZURE_TENANT_ID: mailbox.tenantId,
    AZURE_CLIENT_ID: mailbox.clientId,
    AZURE_CLIENT_SECRET: mailbox.clientSecret,
    AZURE_AUTHORITY_HOST: authorityHost,
    SMTP_HOST: smtp.host,
    SMTP_PORT: String(smtp.port),
    HOST: '127.0.0.1',
    PORT: '0',
    RETRY_DELAYS_SECONDS: '0.05',
  };
}

/** A sandbox until the test's end, whose certificate this process trusts. */
export async function openTestSandbox(options?: SandboxOptions, atEnd: AtEnd = onTestFinished): Promise<Sandbox> {
  const certificate = options?.certificate ?? (await sharedCertificate());
  const sandbox = await openSandbox({ ...options, certificate });
  atEnd(sandbox.close);
  trust(sandbox.caCertificate);
  return sandbox;
}

let shared: Promise<ServerCertificate> | undefined;

/** Making one and trusting it costs more than the rest of a sandbox. */
function sharedCertificate(): Promise<ServerCertificate> {
  shared ??= makeServerCertificate();
  return shared;
}

function trust(caCertificate: string): void {
  const trusted = tls.getCACertificates('default');
  if (!trusted.includes(caCertificate)) tls.setDefaultCACertificates([...trusted, caCertificate]);
}

export async function openTestService(options: TestServiceOptions): Promise<TestService> {
  const { atEnd = onTestFinished } = options;
  const sandbox = await openTestSandbox(options.sandbox, atEnd);
  const env = { ...sandboxEnv(sandbox), ...options.env, ...configFile(options.yaml) };
  const namespace = `test-${randomUUID()}`;
  const keys = makeKeys(namespace);
  const lines: string[] = [];
  const log = pino({ level: 'debug' }, { write: (line: string) => lines.push(line) });
  const config = readConfig(env, 'all');
  const roles: WorkerRole[] = [];
  const shared = { location: options.location, keys, log, metrics: openMetrics() };
  const { smtpInLimits } = options;
  const { windowMs, timings = QUICK } = options;
  const window = windowMs !== undefined && { windowMs };
  const api = await openApi({ config, ...shared, ...window, ...(smtpInLimits && { smtpInLimits }) });
  const addWorker: TestService['addWorker'] = async (more = {}, location = shared.location) => {
    const config = readConfig({ ...env, ...more }, 'all');
    const worker = await openWorker({ config, ...shared, location, ...window, timings });
    roles.push(worker);
    return worker;
  };
  atEnd(async () => {
    await api.close();
    await Promise.all(roles.map((role) => role.close()));
  });
  for (let n = 0; n < (options.workers ?? 1); n += 1) await addWorker();
  await untilReady(api);
  return {
    sandbox,
    env,
    namespace,
    log: lines,
    addWorker,
    smtpIn: api.smtpIn,
    close: api.close,
    ...client(api),
    reload: (more) => reload({ ...env, ...more }, api, roles),
  };
}

/** An API listens before it is connected to Redis, and answers 503 until then. */
async function untilReady({ url }: ApiRole): Promise<void> {
  await untilTrue(async () => (await fetch(`${url}/health/ready`)).ok);
}

async function reload(
  env: Readonly<Record<string, string>>,
  api: ApiRole,
  workers: readonly WorkerRole[],
): Promise<void> {
  const config: Config = readConfig(env, 'all');
  api.reload(config);
  await Promise.all(workers.map((worker) => worker.reload(config)));
}

/** How a test speaks with the API at this URL. */
export function client({
  url,
  key,
}: {
  readonly url: string;
  readonly key?: string;
}): Pick<TestService, 'url' | 'request' | 'send' | 'until' | 'untilAll'> {
  const request: TestService['request'] = async (method, path, body, headers = {}) => {
    const response = await fetch(`${url}${path}`, {
      method,
      headers: {
        ...(body !== undefined && { 'content-type': 'application/json' }),
        ...(key !== undefined && { authorization: `Bearer ${key}` }),
        ...headers,
      },
      ...(body !== undefined && { body: typeof body === 'string' ? body : JSON.stringify(body) }),
    });
    const text = await response.text();
    const isJson = /json/.test(response.headers.get('content-type') ?? '');
    return { status: response.status, headers: response.headers, body: isJson ? JSON.parse(text) : text };
  };
  const until: TestService['until'] = async (id, isWanted) => {
    const { body } = await eventually(
      () => request('GET', `/messages/${id}`),
      (answer) => isWanted(answer.body),
    );
    return body;
  };
  return {
    url,
    request,
    send: async (mail = {}) => {
      const { status, body } = await request('POST', '/send', { ...MAIL, ...mail });
      if (status !== 202) throw new Error(`POST /send answered ${status}: ${JSON.stringify(body)}`);
      return body.id;
    },
    until,
    untilAll: async (ids, isWanted) => {
      const messages = [];
      for (const id of ids) messages.push(await until(id, isWanted));
      return messages;
    },
  };
}

function configFile(yaml: string | undefined): { CONFIG_FILE?: string } {
  if (yaml === undefined) return {};
  const file = join(mkdtempSync(join(tmpdir(), 'relay365-test-')), 'relay365.yaml');
  writeFileSync(file, yaml);
  return { CONFIG_FILE: file };
}
