/** A worker that was frozen or cut off, and comes back when another one has its message. */
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { makeKeys } from '../../src/queue/keys.ts';
import { connectTo, startTestRedis, type TestRedis } from '../helpers/redis.ts';
import { isFinal, openTestService } from '../helpers/service.ts';

let redis: TestRedis;
beforeAll(async () => {
  redis = await startTestRedis();
});
afterAll(() => redis.close());

const isSending = ({ status }: { status: string }): boolean => status === 'sending';

describe('a worker whose message another one has taken up', () => {
  test('keeps its final dot to itself: the mail goes out once', async () => {
    const service = await openTestService({ location: redis.location });
    const { exchange } = service.sandbox;
    exchange.script({ stage: 'data', delayMs: 400 });
    const id = await service.send();
    await service.until(id, isSending);
    // What another worker's beginning does to the record.
    await connectTo(redis).hset(makeKeys(service.namespace).record(id), 'openToken', "another worker's");
    const message = await service.until(id, ({ attempts }) => attempts.length > 0);
    expect(message.attempts[0]).toMatchObject({ outcome: 'deferred' });
    expect(message.attempts[0].explanation).toContain('Another worker has taken the message over');
    expect(message.status).toBe('sending');
    await exchange.waitFor(({ attempts }) => attempts.length > 0);
    expect(exchange.messages).toEqual([]);
  });
});

describe('a Redis that is full when a mail has been sent', () => {
  test('notes it all the same: the mail is not sent again', async () => {
    const own = await startTestRedis();
    onTestFinished(own.close);
    const service = await openTestService({ location: own.location });
    const { exchange } = service.sandbox;
    const client = connectTo(own);
    exchange.script({ stage: 'end', delayMs: 600 });
    const id = await service.send();
    const record = makeKeys(service.namespace).record(id);
    while ((await client.hget(record, 'finalDotAt')) === null);
    await client.config('SET', 'maxmemory', '1');
    expect(await service.until(id, isFinal)).toMatchObject({ status: 'sent', attempts: [{ outcome: 'sent' }] });
    await client.config('SET', 'maxmemory', '0');
    await service.until(await service.send(), isFinal);
    expect(exchange.messages.filter(({ messageId }) => messageId?.includes(id))).toHaveLength(1);
  });
});
