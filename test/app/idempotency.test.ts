/** Requests that come twice: draft-ietf-httpapi-idempotency-key-header-07. */
import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { connectTo, startTestRedis, type TestRedis } from '../helpers/redis.ts';
import { isFinal, openTestService } from '../helpers/service.ts';

let redis: TestRedis;
beforeAll(async () => {
  redis = await startTestRedis();
});
afterAll(() => redis.close());

const MAIL = { to: 'a@example.com', subject: 'Order', text: 'Thank you.' };
const open = (options: Partial<Parameters<typeof openTestService>[0]> = {}) =>
  openTestService({ location: redis.location, ...options });
/** Of Microsoft's limits none. */
const UNLIMITED = {
  env: { M365_CONNECTIONS: '0', M365_MESSAGES_PER_MINUTE: '0' },
  sandbox: { limits: { connections: 0, messagesPerMinute: 0 } },
};
const DAY_MS = 86_400_000;

/** For how many days each Idempotency-Key is kept, a batch's own beside those of its mails. */
async function daysKept(namespace: string): Promise<number[]> {
  const client = connectTo(redis);
  const names = await client.keys(`{${namespace}}:idempotency:*`);
  const days = await Promise.all(names.map(async (name) => Math.round((await client.pttl(name)) / DAY_MS)));
  return days.sort((one, other) => one - other);
}

const key = (value: string) => ({ 'idempotency-key': value });

describe('POST /send with an Idempotency-Key', () => {
  test('sent again gets the first answer and queues no second message, even after it was sent', async () => {
    const { request, until, sandbox } = await open();
    const first = await request('POST', '/send', MAIL, key('"order-4711"'));
    expect([first.status, first.headers.get('idempotent-replayed')]).toEqual([202, null]);
    await until(first.body.id, isFinal);
    for (const value of ['"order-4711"', 'order-4711']) {
      const again = await request('POST', '/send', MAIL, key(value));
      expect([again.status, again.headers.get('idempotent-replayed'), again.body]).toEqual([202, 'true', first.body]);
    }
    expect(sandbox.exchange.messages).toHaveLength(1);
  });

  test('with another body is refused, and nothing is queued', async () => {
    const { request } = await open({ workers: 0 });
    await request('POST', '/send', MAIL, key('one'));
    const { status, body } = await request('POST', '/send', { ...MAIL, text: 'Other' }, key('one'));
    expect([status, body.type]).toEqual([422, 'urn:relay365:problem:idempotency-key-reused']);
    expect((await request('GET', '/messages')).body.items).toHaveLength(1);
  });

  test('belongs to its client', async () => {
    const { request } = await open({ workers: 0, env: { API_KEYS: 'shop:first-key,crm:second-key' } });
    const as = (secret: string) => ({ ...key('same'), authorization: `Bearer ${secret}` });
    const { body: one } = await request('POST', '/send', MAIL, as('first-key'));
    const { body: other } = await request('POST', '/send', { ...MAIL, text: 'Other' }, as('second-key'));
    expect(one.id).not.toBe(other.id);
  });

  test('of a scheduled message gets the schedule again', async () => {
    const { request } = await open({ workers: 0 });
    const mail = { ...MAIL, sendAt: new Date(Date.now() + 3_600_000).toISOString() };
    const first = await request('POST', '/send', mail, key('later'));
    const again = await request('POST', '/send', mail, key('later'));
    expect([first.body.status, again.body]).toEqual(['scheduled', first.body]);
  });

  test('is kept for a day after sendAt', async () => {
    const { request, namespace } = await open({ workers: 0 });
    const inAWeek = new Date(Date.now() + 7 * DAY_MS).toISOString();
    await request('POST', '/send', MAIL, key('now'));
    expect(await daysKept(namespace)).toEqual([1]);
    await request('POST', '/send', { ...MAIL, sendAt: inAWeek }, key('later'));
    expect(await daysKept(namespace)).toEqual([1, 8]);
    await request('POST', '/send/batch', { messages: [{ ...MAIL, sendAt: inAWeek }, MAIL] }, key('both'));
    expect(await daysKept(namespace)).toEqual([1, 1, 8, 8, 8]);
  });

  test('of a refused request can be used again', async () => {
    const { request } = await open({ workers: 0 });
    expect((await request('POST', '/send', { ...MAIL, to: 'nobody' }, key('k'))).status).toBe(422);
    expect((await request('POST', '/send', MAIL, key('k'))).status).toBe(202);
  });

  test.each(['', '""', 'with space', 'a"b', 'x'.repeat(256)])('%j is not a valid key', async (value) => {
    const { request } = await open({ workers: 0 });
    const { status, body } = await request('POST', '/send', MAIL, key(value));
    expect([status, body.errors]).toMatchObject([422, [{ field: 'Idempotency-Key' }]]);
  });

  test('1,000 parallel requests with 100 keys are 100 messages', async () => {
    const { request, untilAll, sandbox } = await open({ ...UNLIMITED, workers: 2 });
    const keys = Array.from({ length: 100 }, () => randomUUID());
    const all = Array.from({ length: 1_000 }, (_, i) => keys[i % 100] ?? '');
    const answers = await Promise.all(all.map((value) => request('POST', '/send', MAIL, key(value))));
    expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([202]));
    const ids = new Set(answers.map(({ body }) => body.id as string));
    expect(ids.size).toBe(100);
    for (const [i, { body }] of answers.entries()) expect(body).toEqual(answers[i % 100]?.body);
    expect(answers.filter(({ headers }) => headers.get('idempotent-replayed') === 'true')).toHaveLength(900);
    await untilAll([...ids], isFinal);
    expect(sandbox.exchange.messages).toHaveLength(100);
    expect(new Set(sandbox.exchange.messages.map(({ messageId }) => messageId)).size).toBe(100);
  }, 60_000);
});

describe('POST /send/batch', () => {
  test('checks each message on its own, and queues the valid ones', async () => {
    const { request, untilAll, sandbox } = await open();
    const messages = [MAIL, { to: 'nobody' }, { ...MAIL, priority: 'high' }, 17, { ...MAIL, reply_to: 'x' }];
    const { status, body } = await request('POST', '/send/batch', { messages });
    expect(status).toBe(202);
    expect(body.results).toMatchObject([
      { index: 0, status: 'queued' },
      { index: 1, error: { status: 422, errors: [{ field: 'to' }, { field: 'text' }] } },
      { index: 2, status: 'queued' },
      { index: 3, error: { errors: [{ field: 'body' }] } },
      { index: 4, error: { errors: [{ field: 'reply_to', message: 'Unknown field. Did you mean replyTo?' }] } },
    ]);
    await untilAll([body.results[0].id, body.results[2].id], isFinal);
    expect(sandbox.exchange.messages).toHaveLength(2);
  });

  test('of 100 goes to several mailboxes at once', async () => {
    const { request } = await open({ workers: 0, yaml: 'mailboxes:\n  - address: second@contoso.com\n' });
    const messages = Array.from({ length: 100 }, (_, i) => (i % 2 ? { ...MAIL, mailbox: 'second@contoso.com' } : MAIL));
    const { body } = await request('POST', '/send/batch', { messages });
    expect(body.results.map(({ mailbox }: { mailbox: string }) => mailbox)).toEqual(
      messages.map((_, i) => (i % 2 ? 'second@contoso.com' : 'sandbox@relay365.example')),
    );
    const mailboxes = (await request('GET', '/mailboxes')).body.items;
    expect(mailboxes.map(({ queue }: { queue: { waiting: number } }) => queue.waiting)).toEqual([50, 50]);
    expect((await request('GET', '/messages?limit=100')).body.items).toHaveLength(100);
  });

  test('sent again with its key gets the first results and queues nothing', async () => {
    const { request } = await open({ workers: 0 });
    const body = { messages: [MAIL, { to: 'nobody' }, { ...MAIL, subject: 'Two' }] };
    const first = await request('POST', '/send/batch', body, key('batch-1'));
    const again = await request('POST', '/send/batch', body, key('batch-1'));
    expect([again.headers.get('idempotent-replayed'), again.body]).toEqual(['true', first.body]);
    expect((await request('GET', '/messages')).body.items).toHaveLength(2);
  });

  test.each([
    ['longer', [MAIL, { ...MAIL, subject: 'Two' }, { ...MAIL, subject: 'Three' }]],
    ['with an error at another place', [{ ...MAIL, subject: 'Other' }, { to: 'nobody' }]],
    ['shorter', [{ ...MAIL, subject: 'Two' }]],
  ])('with the key of another batch is refused, and nothing of it is queued: %s', async (_title, messages) => {
    const { request } = await open({ workers: 0 });
    await request('POST', '/send/batch', { messages: [{ to: 'nobody' }, MAIL] }, key('batch-1'));
    const { status, body } = await request('POST', '/send/batch', { messages }, key('batch-1'));
    expect([status, body.type]).toEqual([422, 'urn:relay365:problem:idempotency-key-reused']);
    expect((await request('GET', '/messages')).body.items).toHaveLength(1);
    expect((await request('GET', '/mailboxes')).body.items[0].queue.waiting).toBe(1);
    expect((await request('POST', '/send', MAIL, key('batch-1'))).status).toBe(422);
  });

  test('of several at once with one key, one counts, and the others queue nothing', async () => {
    const { request } = await open({ workers: 0 });
    const batches = Array.from({ length: 20 }, (_, n) =>
      Array.from({ length: n + 1 }, () => ({ ...MAIL, text: `${n}` })),
    );
    const answers = await Promise.all(
      batches.map((messages) => request('POST', '/send/batch', { messages }, key('batch-1'))),
    );
    const taken = answers.flatMap(({ status, body }) => (status === 202 ? [body.results.length] : []));
    expect(taken).toHaveLength(1);
    expect((await request('GET', '/messages')).body.items).toHaveLength(taken[0]);
    expect((await request('GET', '/mailboxes')).body.items[0].queue.waiting).toBe(taken[0]);
  });

  test.each([
    [{ messages: [] }, 'messages', 'The batch has 0 messages. It must have 1 to 100.'],
    [
      { messages: Array.from({ length: 101 }, () => MAIL) },
      'messages',
      'The batch has 101 messages. It must have 1 to 100.',
    ],
    [{ mails: [MAIL] }, 'messages', 'This field is required.'],
    [[MAIL], 'body', 'Must be an object with messages, not a list.'],
  ])('%# refuses an invalid batch with the name of the field', async (body, field, message) => {
    const { request } = await open({ workers: 0 });
    const answer = await request('POST', '/send/batch', body);
    expect([answer.status, answer.body.errors[0]]).toEqual([422, { field, message }]);
  });
});

describe('POST /send/batch?dryRun=true', () => {
  test('is refused, because the messages would be sent', async () => {
    const { request } = await open({ workers: 0 });
    const { status, body } = await request('POST', '/send/batch?dryRun=true', { messages: [MAIL] });
    expect([status, body.errors]).toEqual([
      422,
      [{ field: '?dryRun', message: 'Unknown parameter. This URL has no parameters.' }],
    ]);
    expect((await request('GET', '/messages')).body.items).toEqual([]);
  });
});

describe('POST /send?dryRun=true', () => {
  test('checks everything, composes the message, and queues nothing', async () => {
    const { request } = await open({ workers: 0 });
    const mail = { ...MAIL, bcc: 'b@example.com', attachments: [{ filename: 'a.txt', content: 'aGk=' }] };
    const { status, body } = await request('POST', '/send?dryRun=true', mail);
    expect([status, body]).toMatchObject([
      200,
      {
        dryRun: true,
        mailbox: 'sandbox@relay365.example',
        envelope: { from: 'sandbox@relay365.example', to: ['a@example.com', 'b@example.com'] },
      },
    ]);
    expect(body.sizeBytes).toBeGreaterThan(300);
    expect((await request('POST', '/send?dryRun=true', { to: 'nobody', text: 'x' })).status).toBe(422);
    expect((await request('GET', '/messages')).body.items).toEqual([]);
  });

  test('returns the composed message to a client that accepts it', async () => {
    const { request } = await open({ workers: 0 });
    const accept = { accept: 'message/rfc822' };
    const { headers, body } = await request('POST', '/send?dryRun=true', { ...MAIL, bcc: 'b@example.com' }, accept);
    expect(headers.get('content-type')).toBe('message/rfc822');
    expect(body).toMatch(/^From: sandbox@relay365\.example\r\nTo: a@example\.com\r\nSubject: Order\r\n/);
    expect(body).not.toContain('b@example.com');
  });
});

/** Of `its-key` and `other-key`. */
const HASH = 'sha256:98b77a7dabcb135606ce437d6257e4b4c17b5c7faf12061201afa825ba026ec7';
const OTHER_HASH = 'sha256:580843d03d2216ff1a275d0991bad66e4d1af871171d929e9de604b7959f9bca';

describe('limits', () => {
  const limited = (field: string) =>
    `apiKeys:\n  - name: shop\n    hash: ${HASH}\n    ${field}\n  - name: crm\n    hash: ${OTHER_HASH}\n`;
  const as = (secret: string) => ({ authorization: `Bearer ${secret}` });

  test('a key has a limit of requests per minute, and every answer shows how many are left', async () => {
    const { request } = await open({ workers: 0, yaml: limited('requestsPerMinute: 2') });
    const answers = [];
    for (let n = 0; n < 3; n += 1) answers.push(await request('POST', '/send', MAIL, as('its-key')));
    expect(answers.map(({ status }) => status)).toEqual([202, 202, 429]);
    expect(answers.map(({ headers }) => headers.get('ratelimit')?.replace(/\d+$/, 'n'))).toEqual([
      '"minute";r=1;t=n',
      '"minute";r=0;t=n',
      '"minute";r=0;t=n',
    ]);
    expect(answers[0]?.headers.get('ratelimit-policy')).toBe('"minute";q=2;w=60');
    expect(Number(answers[2]?.headers.get('retry-after'))).toBeGreaterThan(0);
    expect((await request('POST', '/send', MAIL, as('other-key'))).status).toBe(202);
  });

  test('a key has a limit of queued messages, which frees up when they are sent', async () => {
    const { request, addWorker } = await open({ ...UNLIMITED, workers: 0, yaml: limited('queuedMessagesMax: 2') });
    const send = () => request('POST', '/send', MAIL, as('its-key'));
    const ids = [(await send()).body.id, (await send()).body.id];
    // What was counted is true for half a second.
    let full = await send();
    while (full.status === 202) full = await send();
    expect([full.status, full.body.type]).toEqual([429, 'urn:relay365:problem:client-queue-full']);
    expect(Number(full.headers.get('retry-after'))).toBeGreaterThan(0);
    expect((await request('POST', '/send', MAIL, as('other-key'))).status).toBe(202);
    await addWorker();
    while ((await send()).status === 429);
    expect(ids).toHaveLength(2);
  });

  test.each([
    ['messages of a key', 'queuedMessagesMax: 5', {}, 429],
    ['megabytes of a key', 'queuedMegabytesMax: 1', {}, 429],
    ['messages', 'requestsPerMinute: 1000', { QUEUE_MESSAGES_MAX: '5' }, 503],
    ['megabytes', 'requestsPerMinute: 1000', { QUEUE_MEGABYTES_MAX: '1' }, 503],
  ] as const)('of many requests at once no more than so many %s are taken', async (_what, field, env, refusal) => {
    const { request } = await open({ workers: 0, env, yaml: limited(field) });
    const mail = { ...MAIL, text: 'x'.repeat(220_000) };
    const answers = await Promise.all(Array.from({ length: 10 }, () => request('POST', '/send', mail, as('its-key'))));
    const taken = answers.filter(({ status }) => status === 202);
    // Fewer are taken when the count is read anew meanwhile: what is on its way then may count twice.
    expect(taken.length).toBeLessThanOrEqual(5);
    expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([202, refusal]));
  });

  test('a batch beyond the limit is refused as a whole', async () => {
    const { request } = await open({ workers: 0, yaml: limited('queuedMessagesMax: 5') });
    const batch = (length: number) => ({ messages: Array.from({ length }, () => MAIL) });
    const { status, body } = await request('POST', '/send/batch', batch(6), as('its-key'));
    expect([status, body.detail]).toEqual([
      429,
      'Of this key at most 5 messages may wait; 0 wait, and 6 more would be too many.',
    ]);
    expect((await request('POST', '/send/batch', batch(5), as('its-key'))).status).toBe(202);
  });

  test('all queues together have a limit', async () => {
    const { request } = await open({ workers: 0, env: { QUEUE_MESSAGES_MAX: '3' } });
    let answer = await request('POST', '/send', MAIL);
    while (answer.status === 202) answer = await request('POST', '/send', MAIL);
    expect([answer.status, answer.body.type]).toEqual([503, 'urn:relay365:problem:queue-full']);
    expect((await request('GET', '/health/ready')).status).toBe(200);
  });
});
