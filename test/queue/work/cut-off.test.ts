/** A worker that was frozen or cut off, and comes back when another one has its message. */
import { Queue } from 'bullmq';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { EXCHANGE_LIMITS } from '../../../src/core/mailbox/mailbox.ts';
import { openConsumer } from '../../../src/queue/work/consumer.ts';
import type { RunAttempt } from '../../../src/core/deliver/attempt.ts';
import { openThrottle } from '../../../src/queue/limits/throttle.ts';
import { JOB_OPTIONS } from '../../../src/queue/jobs/job.ts';
import { makeKeys } from '../../../src/queue/redis/keys.ts';
import { PRIORITIES } from '../../../src/queue/jobs/priorities.ts';
import { openRecords } from '../../../src/queue/records/records.ts';
import { openTestAttempts, SENT, testRoute, writeQueued } from '../../helpers/admit.ts';
import { untilTrue } from '../../helpers/eventually.ts';
import { connectTo, openProxyTo, startTestRedis, type TestRedis, testKeys } from '../../helpers/redis.ts';
import { isFinal, openTestService } from '../../helpers/service.ts';

let redis: TestRedis;
beforeAll(async () => {
  redis = await startTestRedis();
});
afterAll(() => redis.close());

const isSending = ({ status }: { status: string }): boolean => status === 'sending';

describe('a worker whose message another one has claimed', () => {
  test('does not send its final dot: the mail goes out once', async () => {
    const service = await openTestService({ location: redis.location });
    const { exchange } = service.sandbox;
    exchange.script({ stage: 'data', delayMs: 400 });
    const id = await service.send();
    await service.until(id, isSending);
    // What another worker's beginning does to the record.
    await connectTo(redis).hset(makeKeys(service.namespace).record(id), 'openToken', "another worker's");
    const message = await service.until(id, ({ attempts }) => attempts.length > 0);
    expect(message.attempts[0]).toMatchObject({ outcome: 'deferred' });
    expect(message.attempts[0].explanation).toContain('Another worker has the message');
    expect(message.status).toBe('sending');
    await exchange.waitFor(({ attempts }) => attempts.length > 0);
    expect(exchange.messages).toEqual([]);
  });
});

describe('a worker that is cut off from Redis', () => {
  test('closes its connections before others get them, and its mails go out once', async () => {
    const proxy = await openProxyTo(redis);
    const env = { M365_MESSAGES_PER_MINUTE: '0' };
    const service = await openTestService({ location: redis.location, workers: 0, env });
    onTestFinished(proxy.restore);
    const { exchange, mailbox } = service.sandbox;
    exchange.setLimits({ connections: 0, messagesPerMinute: 0 });
    let reached = 0;
    const match = () => {
      reached += 1;
      if (reached === 3) proxy.cut();
      return true;
    };
    exchange.script({ stage: 'data', match, delayMs: 100, times: 3 });
    await service.addWorker({}, proxy.location);
    const ids = await Promise.all(Array.from({ length: 6 }, () => service.send()));
    await untilTrue(() => reached === 3);
    await service.addWorker();
    const messages = await service.untilAll(ids, isFinal);
    expect(messages.map(({ status }) => status)).toEqual(ids.map(() => 'sent'));
    expect(exchange.connections(mailbox.address).peak).toBe(3);
    expect(exchange.messages).toHaveLength(6);
  }, 60_000);
});

describe('a Redis that is full when a message has been sent', () => {
  test('still records it: the message is not sent again', async () => {
    const own = await startTestRedis();
    onTestFinished(own.close);
    const service = await openTestService({ location: own.location });
    const { exchange } = service.sandbox;
    const client = connectTo(own);
    exchange.script({ stage: 'end', delayMs: 600 });
    const id = await service.send();
    const record = makeKeys(service.namespace).record(id);
    await untilTrue(async () => (await client.hget(record, 'finalDotAt')) !== null);
    await client.config('SET', 'maxmemory', '1');
    expect(await service.until(id, isFinal)).toMatchObject({ status: 'sent', attempts: [{ outcome: 'sent' }] });
    await client.config('SET', 'maxmemory', '0');
    await service.until(await service.send(), isFinal);
    expect(exchange.messages.filter(({ messageId }) => messageId?.includes(id))).toHaveLength(1);
  });
});

describe('a message whose work fails for a fault of Redis', () => {
  test('does not count as being sent any more, and comes back', async () => {
    const client = connectTo(redis);
    const keys = testKeys();
    const mailbox = { id: 'a@contoso.com', address: 'a@contoso.com', limits: EXCHANGE_LIMITS };
    const throttle = openThrottle({ redis: client, keys, worker: 'w' });
    const attempts = openTestAttempts(client, keys, throttle);
    await writeQueued(client, keys, 'm');
    let tries = 0;
    const runAttempt: RunAttempt = async () => {
      tries += 1;
      return SENT;
    };
    const complete = () => Promise.reject(new Error('Redis is in trouble.'));
    const consumer = openConsumer({
      redis: client,
      keys,
      name: mailbox.id,
      routes: [{ ...testRoute(mailbox, 1), runAttempt }],
      attempts: { ...attempts, complete },
      throttle,
      records: openRecords(client, keys, 60_000),
      now: () => new Date(),
      events: {
        completed: () => undefined,
        interrupted: () => undefined,
        unreadable: () => undefined,
        mailbox: () => undefined,
        error: () => undefined,
      },
    });
    onTestFinished(() => consumer.close());
    await client.zadd(keys.workers, Date.now() + 60_000, 'w');
    consumer.setConcurrency(1);
    const queue = new Queue(mailbox.id, { connection: client, prefix: keys.prefix });
    await queue.add('send', { recipients: 1 }, { ...JOB_OPTIONS, priority: PRIORITIES.normal, jobId: 'm' });
    await untilTrue(() => tries > 0);
    await untilTrue(async () => (await client.hlen(keys.underWay(mailbox.id))) === 0);
    await untilTrue(() => tries > 1);
  });
});
