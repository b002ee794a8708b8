/** What closing an attempt does to the mailbox's limits: both are one step. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Transition } from '../../../src/core/deliver/conclusion.ts';
import { EXCHANGE_LIMITS } from '../../../src/core/mailbox/mailbox.ts';
import { makeBodyCipher } from '../../../src/queue/records/body-cipher.ts';
import { openThrottle } from '../../../src/queue/limits/throttle.ts';
import { openRecords } from '../../../src/queue/records/records.ts';
import { makeAdmit } from '../../helpers/admit.ts';
import { connectTo, startTestRedis, type TestRedis, testKeys } from '../../helpers/redis.ts';

let redis: TestRedis;
beforeAll(async () => {
  redis = await startTestRedis();
});
afterAll(() => redis.close());

const MAILBOX = { id: 'a@contoso.com', limits: EXCHANGE_LIMITS };
const TOOK = { kind: 'took', recipients: 2, certain: true } as const;
const SENT: Transition = {
  attempt: { at: new Date(), durationMs: 5, outcome: 'sent', explanation: 'Exchange took it.' },
  recipients: [],
  status: 'sent',
  effect: TOOK,
};

/** A message that is under way, and what closes its attempt. */
async function openAttempt() {
  const client = connectTo(redis);
  const keys = testKeys();
  const throttle = openThrottle({ redis: client, keys });
  const records = openRecords(client, keys, 60_000, makeBodyCipher([]));
  await makeAdmit(client, keys, throttle)(MAILBOX, 'm', 2);
  return {
    client,
    keys,
    close: () => records.close('m', 't', SENT, throttle.settlement(MAILBOX, TOOK)),
    counted: async () => ({
      underWay: await client.hlen(keys.underWay(MAILBOX.id)),
      sent: await client.zcard(keys.sent(MAILBOX.id)),
      recipients: Number(await client.hget(keys.recipients(MAILBOX.id), 'total')),
    }),
  };
}

describe('an attempt that is closed', () => {
  test('is counted with it', async () => {
    const { client, keys, close, counted } = await openAttempt();
    await client.hset(keys.record('m'), { status: 'sending', openToken: 't', client: 'app', bytes: 1 });
    await close();
    expect(await client.hget(keys.record('m'), 'status')).toBe('sent');
    expect(await counted()).toEqual({ underWay: 0, sent: 1, recipients: 2 });
  });

  test('is counted though its record is gone: Exchange took the message', async () => {
    const { close, counted } = await openAttempt();
    await close();
    expect(await counted()).toEqual({ underWay: 0, sent: 1, recipients: 2 });
  });

  test('is not counted when it could not be noted: it is taken up again', async () => {
    const { client, keys, close, counted } = await openAttempt();
    await client.set(keys.record('m'), 'no hash');
    await expect(close()).rejects.toThrow('WRONGTYPE');
    expect(await counted()).toEqual({ underWay: 1, sent: 0, recipients: 0 });
  });
});
