/** What a sender can do with messages after the accept: over HTTP, with a real queue. */
import type { Redis } from 'ioredis';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { makeKeys } from '../../src/queue/redis/keys.ts';
import { connectTo, startTestRedis, type TestRedis } from '../helpers/redis.ts';
import { isFinal, openTestService } from '../helpers/service.ts';

let redis: TestRedis;
beforeAll(async () => {
  redis = await startTestRedis();
});
afterAll(() => redis.close());

const open = (options: Partial<Parameters<typeof openTestService>[0]> = {}) =>
  openTestService({ location: redis.location, ...options });
const inMs = (ms: number) => new Date(Date.now() + ms).toISOString();
const DAY_MS = 86_400_000;

/** The hash of `admin-key`. */
const ADMIN_HASH = 'sha256:69a5265506c94c77b787a7d7377b7685a0eff82e33920a71e7ee22cd6154953e';

describe('sendAt', () => {
  test('delays a message until its time, and shows it as scheduled', async () => {
    const { request, until, sandbox } = await open();
    const sendAt = inMs(1_500);
    const { status, body } = await request('POST', '/send', { to: 'a@example.com', text: 'x', sendAt });
    expect([status, body.status, body.sendAt, body.estimatedAt]).toEqual([202, 'scheduled', sendAt, sendAt]);
    const message = (await request('GET', `/messages/${body.id}`)).body;
    expect(message).toMatchObject({ status: 'scheduled', sendAt });
    expect(new Date(message.expiresAt).getTime() - new Date(sendAt).getTime()).toBe(DAY_MS);
    const sent = await until(body.id, isFinal);
    expect(sent.status).toBe('sent');
    expect(new Date(sent.attempts[0].at).getTime()).toBeGreaterThanOrEqual(new Date(sendAt).getTime());
    expect(sandbox.exchange.messages).toHaveLength(1);
  });

  test('of a moment ago means now, because clocks differ', async () => {
    const { send, until } = await open();
    expect((await until(await send({ sendAt: inMs(-5_000) }), isFinal)).status).toBe('sent');
  });
});

describe('expiresAt', () => {
  test('ends a message that could not be sent by then', async () => {
    const { request, send, until } = await open();
    await request('POST', '/mailboxes/sandbox@relay365.example/pause');
    const message = await until(await send({ expiresAt: inMs(500) }), isFinal);
    expect(message).toMatchObject({ status: 'expired', recipients: [{ status: 'failed' }] });
  }, 20_000);

  test('must be after sendAt', async () => {
    const { request } = await open();
    const times = { sendAt: inMs(60_000), expiresAt: inMs(30_000) };
    const { status, body } = await request('POST', '/send', { to: 'a@example.com', text: 'x', ...times });
    expect([status, body.errors]).toMatchObject([422, [{ field: 'expiresAt' }]]);
  });
});

describe('DELETE /messages/{id}', () => {
  test('cancels a scheduled message: it is never sent', async () => {
    const { request, send, until, sandbox } = await open();
    const id = await send({ sendAt: inMs(1_000) });
    const { status, body } = await request('DELETE', `/messages/${id}`);
    expect([status, body.status, body.recipients]).toMatchObject([200, 'canceled', [{ status: 'canceled' }]]);
    const later = await send({ sendAt: inMs(1_500) });
    await until(later, isFinal);
    expect(sandbox.exchange.messages.map(({ messageId }) => messageId)).toEqual([expect.stringContaining(later)]);
    expect((await request('GET', `/messages/${id}`)).body.status).toBe('canceled');
    expect((await request('GET', '/mailboxes/sandbox@relay365.example')).body.queue.delayed).toBe(0);
  });

  test('cancels a message that waits for its mailbox', async () => {
    const { request, send, until, sandbox } = await open();
    await request('POST', '/mailboxes/sandbox@relay365.example/pause');
    const [id, other] = [await send(), await send()];
    expect((await request('DELETE', `/messages/${id}`)).status).toBe(200);
    await request('POST', '/mailboxes/sandbox@relay365.example/resume');
    await until(other, isFinal);
    expect(sandbox.exchange.messages).toHaveLength(1);
  });

  test('answers 409 with the status when the message is final', async () => {
    const { request, send, until } = await open();
    const id = await send();
    await until(id, isFinal);
    const { status, body } = await request('DELETE', `/messages/${id}`);
    expect([status, body.type, body.detail]).toEqual([
      409,
      'urn:relay365:problem:wrong-state',
      'The message is sent. Only a waiting message can be canceled.',
    ]);
    expect((await request('DELETE', '/messages/nothing')).status).toBe(404);
  });

  test('races a worker: one of them wins, and the answer says which', async () => {
    const { request, send, untilAll, sandbox } = await open();
    const ids = await Promise.all(Array.from({ length: 20 }, () => send({ sendAt: inMs(300) })));
    await new Promise((resolve) => setTimeout(resolve, 250));
    const canceled: string[] = [];
    for (let left = [...ids]; left.length > 0; left = left.slice(1)) {
      const [id = ''] = left;
      const { status } = await request('DELETE', `/messages/${id}`);
      if (status === 200) canceled.push(id);
    }
    const messages = await untilAll(ids, isFinal);
    const taken = sandbox.exchange.messages.map(({ messageId }) => messageId);
    for (const { id, status, messageId } of messages) {
      expect(status).toBe(canceled.includes(id) ? 'canceled' : 'sent');
      expect(taken.filter((one) => one === messageId)).toHaveLength(canceled.includes(id) ? 0 : 1);
    }
  });
});

describe('POST /messages/{id}/retry', () => {
  test('queues a failed message again, for the recipients that have not received it', async () => {
    const { request, send, until, sandbox } = await open();
    const refusal = '550 5.7.60 SMTP; Client does not have permissions to send as this sender';
    sandbox.exchange.script({ stage: 'end', reply: refusal });
    const id = await send();
    expect((await until(id, isFinal)).status).toBe('failed');
    const { status, body } = await request('POST', `/messages/${id}/retry`);
    expect([status, ['queued', 'sending', 'sent'].includes(body.status)]).toEqual([202, true]);
    const message = await until(id, isFinal);
    expect(message).toMatchObject({
      status: 'sent',
      attempts: [{ outcome: 'failed' }, { outcome: 'sent' }],
      recipients: [{ status: 'sent' }],
    });
    expect((await request('POST', `/messages/${id}/retry`)).status).toBe(409);
  });

  test('queues one message when ten ask at once', async () => {
    const { request, send, until, sandbox } = await open();
    sandbox.exchange.script({ stage: 'end', reply: '554 5.6.0 Corrupt message content' });
    const id = await send();
    await until(id, isFinal);
    const answers = await Promise.all(Array.from({ length: 10 }, () => request('POST', `/messages/${id}/retry`)));
    expect(answers.filter(({ status }) => status === 202).length).toBeGreaterThan(0);
    expect((await until(id, ({ status }) => status === 'sent')).attempts).toHaveLength(2);
    expect(sandbox.exchange.messages).toHaveLength(1);
  });

  test('queues an expired message again', async () => {
    const { request, send, until } = await open();
    await request('POST', '/mailboxes/sandbox@relay365.example/pause');
    const id = await send({ expiresAt: inMs(500) });
    expect((await until(id, isFinal)).status).toBe('expired');
    await request('POST', `/messages/${id}/retry`);
    await request('POST', '/mailboxes/sandbox@relay365.example/resume');
    expect((await until(id, ({ status }) => status === 'sent')).status).toBe('sent');
  }, 20_000);

  test('and DELETE decide about a message with an unknown outcome', async () => {
    const { request, send, until, sandbox } = await open({ env: { M365_UNKNOWN_POLICY: 'hold' } });
    sandbox.exchange.script({ stage: 'end', accept: true, drop: true, times: 2 });
    const ids = [await send(), await send()] as const;
    for (const id of ids) await until(id, ({ status }) => status === 'held');
    expect((await request('POST', `/messages/${ids[0]}/retry`)).status).toBe(202);
    expect((await request('DELETE', `/messages/${ids[1]}`)).body.status).toBe('canceled');
    expect((await until(ids[0], isFinal)).attempts).toMatchObject([{ outcome: 'unknown' }, { outcome: 'sent' }]);
  });

  test('does not send a scheduled message before its time', async () => {
    const { request, send, until, sandbox } = await open();
    const id = await send({ sendAt: inMs(60_000) });
    expect((await request('POST', `/messages/${id}/retry`)).status).toBe(409);
    await until(await send(), isFinal);
    expect(sandbox.exchange.messages).toHaveLength(1);
  });
});

describe('POST /messages/retry', () => {
  test('queues only messages again that failed with the given code', async () => {
    const { request, send, until, sandbox } = await open();
    const refuse = (reply: string, recipient: string) => sandbox.exchange.script({ stage: 'end', reply, recipient });
    refuse('550 5.7.60 SMTP; Client does not have permissions to send as this sender', 'a@example.com');
    refuse('554 5.6.0 Corrupt message content', 'b@example.com');
    const [a, b] = [await send({ to: 'a@example.com' }), await send({ to: 'b@example.com' })];
    await Promise.all([until(a, isFinal), until(b, isFinal)]);
    const since = encodeURIComponent(inMs(60_000));
    expect((await request('POST', `/messages/retry?since=${since}`)).body).toEqual({ retried: 0 });
    expect((await request('POST', '/messages/retry?mailbox=other@contoso.com')).body).toEqual({ retried: 0 });
    expect((await request('POST', '/messages/retry?code=5.7.60')).body).toEqual({ retried: 1 });
    expect((await until(a, isFinal)).status).toBe('sent');
    expect((await request('GET', `/messages/${b}`)).body.status).toBe('failed');
    expect((await request('POST', '/messages/retry?code=554')).body).toEqual({ retried: 1 });
    expect((await until(b, ({ status }) => status === 'sent')).status).toBe('sent');
  });

  test.each([
    ['code=abc', '?code'],
    ['since=yesterday', '?since'],
    ['since=5', '?since'],
    ['since=2026-12-24', '?since'],
    ['cause=x', '?cause'],
  ])('?%s is refused with its name', async (query, field) => {
    const { request } = await open({ workers: 0 });
    const { status, body } = await request('POST', `/messages/retry?${query}`);
    expect([status, body.errors]).toMatchObject([422, [{ field }]]);
  });
});

describe('POST /messages/retry with a body', () => {
  test.each([{ code: '535' }, ['x']])('is refused, because a filter in it would be ignored: %j', async (what) => {
    const { request } = await open({ workers: 0 });
    const { status, body } = await request('POST', '/messages/retry', what);
    expect([status, body.errors]).toMatchObject([422, [{ field: 'body' }]]);
  });

  test('that is empty is accepted, because some clients always send one', async () => {
    const { request } = await open({ workers: 0 });
    expect((await request('POST', '/messages/retry', {})).status).toBe(202);
  });
});

/** How often the API read this hash while `act` ran, by what Redis says of each command. */
async function readsOf(key: string, act: () => Promise<unknown>): Promise<number> {
  const client = connectTo(redis);
  const monitor = await (client as Redis).monitor();
  onTestFinished(() => monitor.disconnect());
  const commands: (readonly string[])[] = [];
  monitor.on('monitor', (_time: string, command: readonly string[]) => commands.push(command));
  const end = Promise.withResolvers<void>();
  monitor.on(
    'monitor',
    (_time: string, [name = '']: readonly string[]) => void (/^ping$/i.test(name) && end.resolve()),
  );
  await act();
  await client.ping();
  await end.promise;
  return commands.filter(([name = '', first]) => /^hgetall$/i.test(name) && first === key).length;
}

describe('a message that is changed', () => {
  test.each([
    ['DELETE', '', { sendAt: inMs(60_000) }, {}, 200, 'canceled'],
    ['POST', '/retry', {}, { status: 'failed', finishedAt: '5' }, 202, 'queued'],
  ] as const)('is read once by %s %s', async (method, action, mail, record, status, after) => {
    const { request, send, namespace } = await open({ workers: 0 });
    const id = await send(mail);
    const key = makeKeys(namespace).record(id);
    await connectTo(redis).hset(key, { version: '1', ...record });
    const answers: Awaited<ReturnType<typeof request>>[] = [];
    const reads = await readsOf(key, async () => {
      answers.push(await request(method, `/messages/${id}${action}`));
    });
    expect([reads, answers[0]?.status, answers[0]?.body.status]).toEqual([1, status, after]);
    const { estimatedAt: _, ...now } = (await request('GET', `/messages/${id}`)).body;
    expect(answers[0]?.body).toMatchObject(now);
  });
});

describe('a message whose record is damaged', () => {
  test.each([
    ['GET', ''],
    ['DELETE', ''],
    ['POST', '/retry'],
  ])('is a fault that says so, and not an outage of Redis: %s %s', async (method, action) => {
    const { request, send, namespace, log } = await open({ workers: 0 });
    const id = await send();
    await connectTo(redis).hset(makeKeys(namespace).record(id), 'message', 'damaged');
    const { status, headers, body } = await request(method, `/messages/${id}${action}`);
    expect([status, headers.get('retry-after'), body.type]).toEqual([
      500,
      null,
      'urn:relay365:problem:message-unreadable',
    ]);
    expect(body.detail).toContain(id);
    expect(log.some((line) => line.includes('is not JSON'))).toBe(true);
  });
});

describe('GET /messages', () => {
  test('lists newest first, page after page, right while messages come in', async () => {
    const { request, send } = await open({ workers: 0 });
    const ids: string[] = [];
    for (let n = 0; n < 7; n += 1) ids.unshift(await send({ subject: `Mail ${n}`, metadata: { n: String(n) } }));
    const first = (await request('GET', '/messages?limit=3')).body;
    const late = await send();
    const second = (await request('GET', `/messages?limit=3&cursor=${first.nextCursor}`)).body;
    const third = (await request('GET', `/messages?limit=3&cursor=${second.nextCursor}`)).body;
    const listed = [first, second, third].flatMap(({ items }) => items.map(({ id }: { id: string }) => id));
    expect(listed).toEqual(ids);
    expect(third).not.toHaveProperty('nextCursor');
    expect(first.items[0]).toMatchObject({ status: 'queued', subject: 'Mail 6', metadata: { n: '6' } });
    expect((await request('GET', '/messages?limit=1')).body.items[0].id).toBe(late);
  });

  test('filters by the shown status and by mailbox', async () => {
    const { request, send, until, sandbox } = await open({
      yaml: 'mailboxes:\n  - address: second@contoso.com\n',
      env: { RETRY_DELAYS_SECONDS: '600' },
    });
    sandbox.exchange.addMailbox({ address: 'second@contoso.com', smtpAuthDisabled: true });
    const sent = await send();
    await until(sent, isFinal);
    const scheduled = await send({ sendAt: inMs(60_000) });
    const canceled = await send({ sendAt: inMs(60_000) });
    await request('DELETE', `/messages/${canceled}`);
    sandbox.exchange.script({ stage: 'end', reply: '451 4.7.0 Temporary server error. Please try again later. PRX2' });
    const deferred = await send();
    await until(deferred, ({ status }) => status === 'deferred');
    const held = await send({ mailbox: 'second@contoso.com' });
    await until(held, ({ status }) => status === 'held');
    const ids = async (query: string) => {
      const { body } = await request('GET', `/messages?${query}`);
      return body.items.map(({ id }: { id: string }) => id);
    };
    expect(await ids('status=sent')).toEqual([sent]);
    expect(await ids('status=scheduled')).toEqual([scheduled]);
    expect(await ids('status=canceled')).toEqual([canceled]);
    expect(await ids('status=deferred')).toEqual([deferred]);
    expect(await ids('status=held')).toEqual([held]);
    expect(await ids('status=queued')).toEqual([]);
    expect(await ids('mailbox=SECOND@contoso.com')).toEqual([held]);
    expect(await ids('mailbox=second@contoso.com&status=sent')).toEqual([]);
    expect(await ids('limit=100')).toEqual([held, deferred, canceled, scheduled, sent]);
  });

  test('shows a key its own messages, and a key with admin all', async () => {
    const { request } = await open({
      workers: 0,
      env: { API_KEYS: 'shop:first-key,crm:second-key' },
      yaml: `apiKeys:\n  - name: boss\n    hash: ${ADMIN_HASH}\n    scopes: [admin, read]\n`,
    });
    const as = (key: string) => ({ authorization: `Bearer ${key}` });
    const mail = { to: 'a@example.com', text: 'x' };
    const { body: own } = await request('POST', '/send', mail, as('first-key'));
    const { body: other } = await request('POST', '/send', mail, as('second-key'));
    const ids = async (key: string) => {
      const { body } = await request('GET', '/messages', undefined, as(key));
      return body.items.map(({ id }: { id: string }) => id);
    };
    expect(await ids('first-key')).toEqual([own.id]);
    expect(await ids('second-key')).toEqual([other.id]);
    expect(new Set(await ids('admin-key'))).toEqual(new Set([own.id, other.id]));
    expect((await request('DELETE', `/messages/${own.id}`, undefined, as('second-key'))).status).toBe(404);
  });

  test.each([
    ['status=gone', '?status'],
    ['limit=0', '?limit'],
    ['limit=101', '?limit'],
    ['cursor=x', '?cursor'],
    ['state=sent', '?state'],
  ])('?%s is refused with its name', async (query, field) => {
    const { request } = await open({ workers: 0 });
    const { status, body } = await request('GET', `/messages?${query}`);
    expect([status, body.errors]).toMatchObject([422, [{ field }]]);
  });

  test.each([
    ['GET', 'messages?status=gone&limit=0&cursor=x&mailboxx=y', ['?status', '?mailboxx', '?limit', '?cursor']],
    ['POST', 'messages/retry?code=x&since=y&cause=z', ['?cause', '?since', '?code']],
  ])('%s /%s is refused with all that is wrong', async (method, query, fields) => {
    const { request } = await open({ workers: 0 });
    const { status, body } = await request(method, `/${query}`);
    expect([status, body.errors.map(({ field }: { field: string }) => field)]).toEqual([422, fields]);
  });

  test('forgets messages whose retention is over', async () => {
    const { request, send, until } = await open({ env: { RETENTION_DAYS: '0.001' } });
    const id = await send();
    await until(id, isFinal);
    expect((await request('GET', '/messages')).body.items).toHaveLength(1);
  });
});
