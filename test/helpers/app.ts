/**
 * The HTTP application as a process has it, with core's real `submit` and a queue that keeps what it is given. It is
 * closed at the test's end.
 */
import { createHash } from 'node:crypto';
import { connect } from 'node:net';
import { Writable } from 'node:stream';
import type { FastifyInstance } from 'fastify';
import { pino } from 'pino';
import { onTestFinished } from 'vitest';
import type { ApiKey, Scope } from '../../src/core/submit/api-key.ts';
import { EXCHANGE_LIMITS, type Mailbox } from '../../src/core/mailbox/mailbox.ts';
import type { MessageAdmin } from '../../src/core/admin/message-admin.ts';
import { createOutbox, type EnqueueOutcome, type Outbox } from '../../src/core/submit/outbox.ts';
import type { Submission } from '../../src/core/submit/submission.ts';
import type { MailboxAdmin } from '../../src/core/admin/mailbox-admin.ts';
import { makeKeyGuard } from '../../src/core/submit/key-guard.ts';
import { wrongKeysInMemory } from '../../src/queue/limits/wrong-keys.ts';
import { compose } from '../../src/smtp/compose.ts';
import { headerValues } from '../../src/smtp/header-values.ts';
import { type AppDependencies, buildApp } from '../../src/http/app.ts';

export const MAILBOX: Mailbox = {
  id: 'noreply@contoso.com',
  address: 'noreply@contoso.com',
  sendAs: ['sales@contoso.com'],
  limits: EXCHANGE_LIMITS,
};

export interface TestApp {
  readonly app: FastifyInstance;
  /** What was queued. */
  readonly queued: readonly Submission[];
  /** The log, line by line. */
  readonly log: readonly string[];
}

type Enqueue = (submission: Submission) => Promise<EnqueueOutcome>;

export type TestAppOptions = Partial<Omit<AppDependencies, 'keys' | 'messages' | 'outbox'>> & {
  readonly messages?: Partial<MessageAdmin>;
  readonly outbox?: Partial<Outbox>;
  readonly enqueue?: Enqueue;
  readonly mailboxes?: readonly Mailbox[];
  readonly keys?: readonly ApiKey[];
};

export const NO_MAILBOXES: MailboxAdmin = {
  list: async () => [],
  pools: async () => [],
  find: async () => undefined,
  pause: async () => undefined,
  resume: async () => undefined,
  verify: async () => undefined,
};

const NO_MESSAGES: MessageAdmin = {
  find: async () => undefined,
  list: async () => ({ items: [] }),
  cancel: async () => undefined,
  retry: async () => undefined,
  retryAll: async () => 0,
};

export function openTestApp({
  enqueue,
  mailboxes = [MAILBOX],
  keys = [],
  messages = {},
  outbox = {},
  ...options
}: TestAppOptions = {}): TestApp {
  const queued: Submission[] = [];
  const log: string[] = [];
  const keep: Enqueue = async (submission) => {
    queued.push(submission);
    return { kind: 'queued', estimatedAt: submission.message.acceptedAt };
  };
  const one = enqueue ?? keep;
  const real = createOutbox({
    directory: () => ({ mailboxes, pools: [] }),
    newId: () => crypto.randomUUID(),
    now: () => new Date(),
    messageTtlMs: 3_600_000,
    headerValues,
    enqueueAll: (all) => Promise.all(all.map(one)),
    onAccepted: () => undefined,
  });
  const app = buildApp({
    outbox: { ...real, ...outbox },
    metrics: { text: async () => '', contentType: 'text/plain' },
    compose,
    messageBytesMax: Math.max(...mailboxes.map(({ limits }) => limits.messageSizeBytesMax)),
    mailboxAdmin: NO_MAILBOXES,
    messages: { ...NO_MESSAGES, ...messages },
    ready: async () => ({ ok: true, checks: { redis: 'ok' } }),
    keys: () => keys,
    guard: makeKeyGuard(wrongKeysInMemory()),
    countRequest: async () => ({ count: 1, leftMs: 60_000 }),
    logger: pino({ level: 'debug' }, linesInto(log)),
    version: '1.2.3',
    ...options,
  });
  onTestFinished(() => app.close());
  return { app, queued, log };
}

/** The app on a port of its own, for what only a real connection shows. */
export async function listenTestApp(
  options: TestAppOptions = {},
): Promise<TestApp & { readonly url: string; readonly port: number }> {
  const opened = openTestApp(options);
  const url = await opened.app.listen({ host: '127.0.0.1', port: 0 });
  return { ...opened, url, port: Number(new URL(url).port) };
}

export function apiKey(name: string, secret: string, scopes: readonly Scope[] = ['send', 'read']): ApiKey {
  return { name, scopes, hash: createHash('sha256').update(secret).digest() };
}

/** Writes bytes to a port as they are and answers with all that comes back until the server ends the connection. */
export function talk(port: number, ...chunks: readonly (string | Buffer)[]): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, '127.0.0.1');
    const received: Buffer[] = [];
    socket.on('data', (chunk) => received.push(chunk));
    socket.on('error', reject);
    socket.on('close', () => resolve(Buffer.concat(received).toString()));
    for (const chunk of chunks) socket.write(chunk);
  });
}

function linesInto(lines: string[]): Writable {
  return new Writable({
    write: (chunk: Buffer, _encoding, done) => {
      lines.push(chunk.toString());
      done();
    },
  });
}
