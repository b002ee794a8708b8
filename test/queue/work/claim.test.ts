/** A claim: only when the mailbox admits the message, and then in one step with the start of its attempt. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { EXCHANGE_LIMITS } from '../../../src/core/mailbox/mailbox.ts';
import { openThrottle } from '../../../src/queue/limits/throttle.ts';
import { openTestAttempts, testRoute, writeQueued } from '../../helpers/admit.ts';
import { connectTo, startTestRedis, type TestRedis, testKeys } from '../../helpers/redis.ts';

let redis: TestRedis;
beforeAll(async () => {
  redis = await startTestRedis();
});
afterAll(() => redis.close());

const MAILBOX = { id: 'a@contoso.com', limits: EXCHANGE_LIMITS };

function openWorker() {
  const client = connectTo(redis);
  const keys = testKeys();
  const throttle = openThrottle({ redis: client, keys });
  const attempts = openTestAttempts(client, keys, throttle);
  const route = testRoute(MAILBOX);
  return {
    client,
    keys,
    throttle,
    attempts,
    route,
    claim: () => attempts.claim({ id: 'm', token: 't', recipients: 1 }, [route]),
    /** Messages and slots that are in use. */
    inUse: async () => [await client.hlen(keys.underWay(MAILBOX.id)), route.semaphore.taken],
  };
}

describe('a claimed message', () => {
  test.each([
    ['small', 5],
    ['large', 1024 ** 2],
  ])('is admitted, has an open attempt, and its content as it was: %s', async (_size, bytes) => {
    const { client, keys, claim, inUse } = openWorker();
    const raw = Buffer.alloc(bytes, Buffer.from([0xff, 0x00, 0x80]));
    await writeQueued(client, keys, 'm');
    await client.set(keys.body('m'), Buffer.concat([Buffer.from('raw:'), raw]));
    expect(await claim()).toMatchObject({ kind: 'claimed', content: { ok: true, content: { raw } } });
    expect(await client.hmget(keys.record('m'), 'status', 'openToken')).toEqual(['sending', 't']);
    expect(await inUse()).toEqual([1, 1]);
  });

  test('has the attempt that a dead worker left open', async () => {
    const { client, keys, claim } = openWorker();
    await writeQueued(client, keys, 'm');
    await client.hset(keys.record('m'), { openAt: 1_000, openToken: 'dead', finalDotAt: 2_000 });
    const openAttempt = { startedAt: new Date(1_000), finalDotMarked: true };
    expect(await claim()).toMatchObject({ kind: 'claimed', openAttempt });
  });

  test('whose content has another type can still be failed with the reason', async () => {
    const { client, keys, claim } = openWorker();
    await writeQueued(client, keys, 'm');
    await client.del(keys.body('m'));
    await client.hset(keys.body('m'), 'no', 'string');
    const problem = expect.stringContaining('another type');
    expect(await claim()).toMatchObject({ kind: 'claimed', content: { ok: false, problem } });
  });

  test('that is released without a result frees its slot and does not count any more', async () => {
    const { client, keys, attempts, claim, inUse } = openWorker();
    await writeQueued(client, keys, 'm');
    const claimed = await claim();
    if (claimed.kind !== 'claimed') throw new Error('The message was not claimed.');
    await attempts.release(claimed);
    expect(await inUse()).toEqual([0, 0]);
  });
});

describe('a message that is not claimed', () => {
  test('stays as it is when its mailbox admits no message', async () => {
    const { client, keys, throttle, claim, inUse } = openWorker();
    await writeQueued(client, keys, 'm');
    const before = await client.hgetall(keys.record('m'));
    await throttle.pause(MAILBOX.id);
    expect(await claim()).toMatchObject({ kind: 'wait', refusals: [{ mailbox: MAILBOX.id, reason: 'paused' }] });
    expect(await client.hgetall(keys.record('m'))).toEqual(before);
    expect(await inUse()).toEqual([0, 0]);
  });

  test.each([
    ['without a record', {}, { kind: 'unreadable', problem: 'There is no record of this message.' }],
    ['that is over', { status: 'sent' }, { kind: 'over' }],
    // Or the record would become readable, and the job rescuer would have the message sent.
    ['with a corrupt status', { status: 'evil' }, { kind: 'unreadable', problem: expect.stringContaining('evil') }],
  ])('%s stays as it is and blocks no other', async (_state, fields: object, expected) => {
    const { client, keys, claim, inUse } = openWorker();
    if ('status' in fields) {
      await writeQueued(client, keys, 'm');
      await client.hset(keys.record('m'), fields);
    }
    const before = await client.hgetall(keys.record('m'));
    expect(await claim()).toEqual(expected);
    expect(await client.hgetall(keys.record('m'))).toEqual(before);
    expect(await inUse()).toEqual([0, 0]);
  });

  test('and whose record has another type is unreadable', async () => {
    const { client, keys, claim, inUse } = openWorker();
    await client.set(keys.record('m'), 'no hash');
    expect(await claim()).toMatchObject({ kind: 'unreadable', problem: expect.stringContaining('another type') });
    expect(await inUse()).toEqual([0, 0]);
  });

  test('because Redis failed blocks no other', async () => {
    const { client, keys, claim, inUse } = openWorker();
    await writeQueued(client, keys, 'm');
    await client.set(keys.indexOfStatus('sending'), 'no index');
    await expect(claim()).rejects.toThrow('WRONGTYPE');
    expect(await inUse()).toEqual([0, 0]);
  });
});
