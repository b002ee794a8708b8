import type { InjectOptions } from 'fastify';
import { describe, expect, test } from 'vitest';
import { QueueUnavailableError, UnreadableMessageError } from '../../src/core/admin/errors.ts';
import { PROBLEMS, type ProblemCode } from '../../src/http/problems.ts';
import { apiKey, MAILBOX, openTestApp, type TestAppOptions } from '../helpers/app.ts';
import { adminOf, MESSAGE, STATE } from '../helpers/message.ts';

const MAIL = { to: 'a@example.com', text: 'Hello!' };
const SEND = { method: 'POST', url: '/send', payload: MAIL } as const;
const HEADERS = { 'content-type': 'application/json' };
const TEXT = { headers: { 'content-type': 'text/plain' }, payload: 'x' };
const BEARER = { authorization: 'Bearer b' };
const TINY = [{ ...MAILBOX, limits: { ...MAILBOX.limits, messageSizeBytesMax: 100 } }];

/** A request that ends in this problem, and the app that it needs. */
interface Case {
  readonly code: ProblemCode;
  readonly request: InjectOptions;
  readonly options: TestAppOptions | undefined;
  /** How often the same request comes before. */
  readonly before: number;
}

/** A message that failed, and whose content is gone. */
const FAILED: TestAppOptions = { messages: adminOf({ message: MESSAGE, state: STATE }) };
const failing = (error: Error): TestAppOptions => ({ messages: { find: () => Promise.reject(error) } });
const LIMITED: TestAppOptions = {
  keys: [{ ...apiKey('a', 'b'), requestsPerMinute: 2 }],
  countRequest: async () => ({ count: 3, leftMs: 20_000 }),
};

const ROWS: readonly (readonly [
  code: ProblemCode,
  request: InjectOptions,
  options?: TestAppOptions,
  before?: number,
])[] = [
  ['malformed-request', { url: '/messages/%zz' }],
  ['malformed-request', { ...SEND, headers: { ...HEADERS, 'content-length': '3' }, payload: '{}' }],
  ['invalid-json', { ...SEND, headers: HEADERS, payload: '{' }],
  ['invalid-json', { method: 'POST', url: '/send' }],
  ['invalid-json', { method: 'POST', url: '/send?dryRun=true' }],
  ['unauthorized', SEND, { keys: [apiKey('a', 'b')] }],
  ['unauthorized', { url: '/messages/x' }, { keys: [apiKey('a', 'b')] }],
  ['not-local', { ...SEND, headers: { host: 'evil.example' } }],
  ['not-local', { url: '/sandbox/messages', headers: { host: 'evil.example' } }],
  ['sender-not-allowed', { ...SEND, payload: { ...MAIL, from: 'x@example.com' } }],
  ['forbidden', { ...SEND, headers: BEARER }, { keys: [apiKey('a', 'b', ['read'])] }],
  ['forbidden', { url: '/mailboxes', headers: BEARER }, { keys: [apiKey('a', 'b', ['send'])] }],
  ['mailbox-not-found', { url: '/mailboxes/x' }],
  ['not-found', { url: '/nowhere' }],
  ['not-found', { url: '/' }],
  ['not-found', { url: '/send/' }],
  ['not-found', { url: '/docs/static/../../package.json' }],
  ['not-found', { url: '/docs/static/nothing.js' }],
  ['not-found', { ...SEND, url: '/nowhere', headers: { 'content-type': 'text/plain' }, payload: 'x' }],
  ['message-not-found', { url: '/messages/x' }],
  ['sandbox-only', { url: '/sandbox/messages' }],
  ['method-not-allowed', { url: '/send' }],
  ['method-not-allowed', { method: 'PUT', url: '/messages/x' }],
  [
    'method-not-allowed',
    { method: 'POST', url: '/health/live', headers: { 'content-type': 'text/plain' }, payload: 'x' },
  ],
  ['body-too-large', { ...SEND, payload: { ...MAIL, text: 'x'.repeat(1_100_000) } }, { mailboxes: TINY }],
  ['message-too-large', SEND, { mailboxes: TINY }],
  ['url-too-long', { url: `/messages/${'x'.repeat(101)}` }],
  ['unsupported-media-type', { ...SEND, headers: { 'content-type': 'text/plain' }, payload: 'x' }],
  ['unsupported-media-type', { method: 'POST', url: '/messages/x/retry', ...TEXT }],
  ['unsupported-media-type', { method: 'DELETE', url: '/messages/x', ...TEXT }],
  ['unsupported-media-type', { method: 'POST', url: '/messages/retry', ...TEXT }],
  ['unsupported-media-type', { method: 'POST', url: '/mailboxes/x/pause', ...TEXT }],
  ['invalid-message', { ...SEND, payload: {} }],
  ['invalid-message', { ...SEND, url: '/send/batch?dryRun=true', payload: { messages: [MAIL] } }],
  ['internal', SEND, { outbox: { submit: () => Promise.reject(new Error('x')) } }],
  ['queue-unanswered', SEND, { enqueue: async () => ({ kind: 'unanswered', cause: new Error('x') }) }],
  ['queue-unavailable', SEND, { enqueue: async () => ({ kind: 'unavailable', cause: new Error('x') }) }],
  ['queue-unavailable', { url: '/messages/x' }, failing(new QueueUnavailableError('x'))],
  ['message-unreadable', { url: '/messages/x' }, failing(new UnreadableMessageError('x'))],
  ['wrong-state', { method: 'DELETE', url: '/messages/x' }, FAILED],
  ['wrong-state', { method: 'POST', url: '/messages/x/retry' }, FAILED],
  ['idempotency-key-reused', SEND, { enqueue: async () => ({ kind: 'key-reused' }) }],
  ['client-queue-full', SEND, { enqueue: async () => ({ kind: 'full', of: 'client', detail: 'x' }) }],
  ['queue-full', SEND, { enqueue: async () => ({ kind: 'full', of: 'all', detail: 'x' }) }],
  ['too-many-wrong-keys', { ...SEND, headers: BEARER }, { keys: [apiKey('a', 'c')] }, 20],
  ['too-many-requests', { ...SEND, headers: BEARER }, LIMITED],
  ['queue-unavailable', { url: '/health/ready' }, { ready: async () => ({ ok: false, checks: { redis: 'x' } }) }],
];

const CASES: readonly Case[] = ROWS.map(([code, request, options, before = 0]) => ({ code, request, options, before }));

/** Those that need a real connection: app.test.ts and hooks.test.ts have them. */
const ON_SOCKETS: readonly ProblemCode[] = ['request-timeout', 'headers-too-large', 'receiving-full', 'stopping'];

/** Those that happen where there is no operation to document them. */
const WITHOUT_OPERATION: readonly ProblemCode[] = ['not-found', 'method-not-allowed'];

interface Documented {
  readonly content: Record<string, { readonly examples: object }>;
}

describe('a problem', () => {
  test.each(CASES)('$code: $request', async ({ code, request, options, before }) => {
    const { app } = openTestApp(options);
    for (let n = 0; n < before; n += 1) await app.inject(request);
    const response = await app.inject({ ...request, headers: { ...request.headers, 'x-request-id': 'my.id-1' } });
    const { status, title } = PROBLEMS[code];
    expect(response.statusCode).toBe(status);
    expect(response.headers['content-type']).toMatch(/^application\/problem\+json/);
    expect(response.headers['x-request-id']).toBe('my.id-1');
    expect(response.json()).toMatchObject({
      type: `urn:relay365:problem:${code}`,
      title,
      status,
      requestId: 'my.id-1',
    });
    // What this request has that is wrong, beside the kind.
    expect(response.json().detail ?? response.json().errors).toBeDefined();
  });

  test('of every code has a case here', () => {
    expect(new Set([...CASES.map(({ code }) => code), ...ON_SOCKETS])).toEqual(new Set(Object.keys(PROBLEMS)));
  });

  test.each(CASES.filter(({ code }) => !WITHOUT_OPERATION.includes(code)))(
    '$code is documented where it happens: $request',
    async ({ code, request, options }) => {
      const { app } = openTestApp(options);
      await app.ready();
      const path = String(request.url)
        .replace(/\?.*$/, '')
        .replace(/^\/(messages|mailboxes)\/(?!retry$)[^/]+/, '/$1/{id}');
      const paths = app.swagger().paths as Record<string, Record<string, { responses: Record<string, Documented> }>>;
      const operation = paths[path]?.[(request.method ?? 'GET').toLowerCase()];
      const content = operation?.responses[PROBLEMS[code].status]?.content['application/problem+json'];
      expect(Object.keys(content?.examples ?? {})).toContain(code);
    },
  );
});

describe('a key over its limit', () => {
  test('gets the same waiting time in Retry-After and in the detail', async () => {
    const { app } = openTestApp(LIMITED);
    const { headers, body } = await app.inject({ ...SEND, headers: BEARER });
    expect([headers['retry-after'], headers['ratelimit']]).toEqual(['20', '"minute";r=0;t=20']);
    expect(body).toContain('there is room again in 20 s');
  });
});
