/** What taking a message up does to its record: only when its mailbox admits it, and then in the same step. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { EXCHANGE_LIMITS } from '../../../src/core/mailbox/mailbox.ts';
import { makeBodyCipher } from '../../../src/queue/records/body-cipher.ts';
import { CorruptRecordError } from '../../../src/queue/records/codec.ts';
import { openThrottle } from '../../../src/queue/limits/throttle.ts';
import { openRecords } from '../../../src/queue/records/records.ts';
import { begin } from '../../../src/queue/work/work.ts';
import { connectTo, startTestRedis, type TestRedis, testKeys } from '../../helpers/redis.ts';

let redis: TestRedis;
beforeAll(async () => {
  redis = await startTestRedis();
});
afterAll(() => redis.close());

const MAILBOX = { id: 'a@contoso.com', address: 'a@contoso.com', limits: EXCHANGE_LIMITS };

function openWorker() {
  const client = connectTo(redis);
  const keys = testKeys();
  const throttle = openThrottle({ redis: client, keys });
  const records = openRecords(client, keys, 60_000, makeBodyCipher([]));
  const dependencies = { records, throttle, now: () => new Date() };
  return {
    client,
    keys,
    throttle,
    records,
    beginAttempt: () => begin('m', 't', 1, { mailbox: MAILBOX }, dependencies),
    underWay: () => client.hlen(keys.underWay(MAILBOX.id)),
  };
}

describe('a message that is taken up', () => {
  test.each([
    ['small', 3],
    ['large', 1024 ** 2],
  ])('is admitted, its attempt open, and its content loaded as it is: %s', async (_size, bytes) => {
    const { client, keys, beginAttempt, underWay } = openWorker();
    const body = Buffer.alloc(bytes, Buffer.from([0xff, 0x00, 0x80]));
    await client.hset(keys.record('m'), { status: 'queued', acceptedAtMs: 1 });
    await client.set(keys.body('m'), body);
    const beginning = await beginAttempt();
    expect(beginning.kind === 'taken' && body.equals(beginning.taken.body as Buffer)).toBe(true);
    expect(await client.hmget(keys.record('m'), 'status', 'openToken')).toEqual(['sending', 't']);
    expect(await underWay()).toBe(1);
  });

  test('and whose record or content is of another type, is one that can not be read', async () => {
    const { client, keys, records, beginAttempt } = openWorker();
    await client.set(keys.record('m'), 'no hash');
    await client.hset(keys.body('m'), 'no', 'string');
    const beginning = await beginAttempt();
    if (beginning.kind !== 'taken') throw new Error('The message was not taken up.');
    const { taken } = beginning;
    expect(() => records.readTaken('m', MAILBOX, taken)).toThrow(CorruptRecordError);
    expect(() => records.readBody({} as never, taken)).toThrow(CorruptRecordError);
  });
});

test('a message whose mailbox admits none stays as it is', async () => {
  const { client, keys, throttle, beginAttempt, underWay } = openWorker();
  await client.hset(keys.record('m'), { status: 'queued', acceptedAtMs: 1 });
  await throttle.pause(MAILBOX.id);
  expect(await beginAttempt()).toMatchObject({ kind: 'wait', reason: 'paused' });
  expect(await client.hgetall(keys.record('m'))).toEqual({ status: 'queued', acceptedAtMs: '1' });
  expect(await underWay()).toBe(0);
});

test('a message that could not be taken up holds up no other', async () => {
  const { client, keys, beginAttempt, underWay } = openWorker();
  await client.hset(keys.record('m'), { status: 'queued', acceptedAtMs: 1 });
  await client.set(keys.indexOfStatus('sending'), 'no index');
  await expect(beginAttempt()).rejects.toThrow('WRONGTYPE');
  expect(await underWay()).toBe(0);
});
