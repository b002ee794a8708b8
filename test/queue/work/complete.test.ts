/** A completed attempt: the record and the mailbox's limits change in one step. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Transition } from '../../../src/core/deliver/transition.ts';
import { EXCHANGE_LIMITS } from '../../../src/core/mailbox/mailbox.ts';
import { openThrottle } from '../../../src/queue/limits/throttle.ts';
import { openTestAttempts, SENT, testRoute, writeQueued } from '../../helpers/admit.ts';
import { connectTo, startTestRedis, type TestRedis, testKeys } from '../../helpers/redis.ts';

let redis: TestRedis;
beforeAll(async () => {
  redis = await startTestRedis();
});
afterAll(() => redis.close());

const MAILBOX = { id: 'a@contoso.com', limits: EXCHANGE_LIMITS };
async function openAttempt() {
  const client = connectTo(redis);
  const keys = testKeys();
  const attempts = openTestAttempts(client, keys, openThrottle({ redis: client, keys }));
  await writeQueued(client, keys, 'm');
  const claim = await attempts.claim({ id: 'm', token: 't', recipients: 2 }, [testRoute(MAILBOX)]);
  if (claim.kind !== 'claimed') throw new Error('The message was not claimed.');
  return {
    client,
    keys,
    attempts,
    claim,
    counted: async () => ({
      inProgress: await client.hlen(keys.underWay(MAILBOX.id)),
      sent: await client.zcard(keys.sent(MAILBOX.id)),
      recipients: Number(await client.hget(keys.recipients(MAILBOX.id), 'total')),
    }),
  };
}

describe('a completed attempt', () => {
  test('counts against the limits', async () => {
    const { client, keys, attempts, claim, counted } = await openAttempt();
    expect(await attempts.complete(claim, SENT)).toEqual({ kind: 'none' });
    expect(await client.hget(keys.record('m'), 'status')).toBe('sent');
    expect(await counted()).toEqual({ inProgress: 0, sent: 1, recipients: 2 });
  });

  test('counts though its record is gone: Exchange accepted the message', async () => {
    const { client, keys, attempts, claim, counted } = await openAttempt();
    await client.del(keys.record('m'));
    await attempts.complete(claim, SENT);
    expect(await counted()).toEqual({ inProgress: 0, sent: 1, recipients: 2 });
  });

  test('does not count when it could not be stored: the message is claimed again', async () => {
    const { client, keys, attempts, claim, counted } = await openAttempt();
    await client.set(keys.record('m'), 'no hash');
    await expect(attempts.complete(claim, SENT)).rejects.toThrow('WRONGTYPE');
    expect(await counted()).toEqual({ inProgress: 1, sent: 0, recipients: 0 });
  });

  test('only adds its attempt when another worker has claimed the message since', async () => {
    const { client, keys, attempts, claim } = await openAttempt();
    await client.hset(keys.record('m'), 'openToken', 'other');
    const failed: Transition = { ...SENT, status: 'failed', effect: { kind: 'nothing' } };
    await attempts.complete(claim, failed);
    expect(await client.hmget(keys.record('m'), 'status', 'attempts')).toEqual(['sending', '1']);
  });

  test('that blocks its mailbox holds it, and the message waits', async () => {
    const { client, keys, attempts, claim, counted } = await openAttempt();
    const backoff = {
      state: 'held',
      reason: { explanation: 'No.' },
      firstWaitMs: 5_000,
      longestWaitMs: 9_000,
    } as const;
    const queued: Transition = { ...SENT, status: 'queued', effect: { kind: 'blocked', backoff } };
    expect(await attempts.complete(claim, queued)).toMatchObject({ kind: 'blocked', isNew: true });
    expect(await client.hget(keys.record('m'), 'status')).toBe('queued');
    expect(await counted()).toEqual({ inProgress: 0, sent: 0, recipients: 0 });
  });
});

test('the final dot is not marked when another worker has the message', async () => {
  const { client, keys, attempts, claim } = await openAttempt();
  await attempts.markFinalDot(claim);
  await client.hset(keys.record('m'), 'openToken', 'other');
  await expect(attempts.markFinalDot(claim)).rejects.toThrow('Another worker has the message');
});
