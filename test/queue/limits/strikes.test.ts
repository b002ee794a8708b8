/** Found by the torture run: faults that had nothing to do with each other added up to holds of minutes. */
import { expect, onTestFinished, vi } from 'vitest';
import { HOLD_WAIT, SHORT_WAIT, THROTTLE_WAIT } from '../../../src/core/replies/classification.ts';
import { EXCHANGE_LIMITS } from '../../../src/core/mailbox/mailbox.ts';
import type { Backoff } from '../../../src/core/mailbox/status.ts';
import { openThrottle } from '../../../src/queue/limits/throttle.ts';
import { test } from '../../helpers/redis.ts';

const MAILBOX = { id: 'a@contoso.com', limits: EXCHANGE_LIMITS };
const { firstMs } = HOLD_WAIT;
const HELD: Backoff = {
  state: 'held',
  reason: { explanation: 'A fault.' },
  firstWaitMs: firstMs,
  longestWaitMs: HOLD_WAIT.longestMs,
};

test('a fault counts as the first again once the mailbox has worked for a while, and as a further one before', async ({
  client,
  keys,
}) => {
  const throttle = openThrottle({ redis: client, keys, random: () => 0 });
  /** How long the mailbox is held for a fault that comes so long after the last hold was over. */
  const holdMsAfter = async (passedMs: number): Promise<number> => {
    const untilMs = Number((await client.hget(keys.mailboxStatus(MAILBOX.id), 'untilMs')) ?? Date.now());
    // Instead of waiting, all that is known of the past moves further into it.
    const shift = untilMs + passedMs - Date.now();
    for (const field of await client.hkeys(keys.mailboxStatus(MAILBOX.id))) {
      if (/^(untilMs|sinceMs|calmAtMs:.*)$/.test(field))
        await client.hincrby(keys.mailboxStatus(MAILBOX.id), field, -shift);
    }
    const before = Date.now();
    const change = await throttle.apply(MAILBOX, 'm', { kind: 'blocked', backoff: HELD });
    return change.kind === 'blocked' ? Math.round((change.until.getTime() - before) / 1_000) * 1_000 : 0;
  };
  expect(await holdMsAfter(0)).toBe(firstMs);
  expect(await holdMsAfter(5_000)).toBe(2 * firstMs);
  expect(await holdMsAfter(50_000)).toBe(4 * firstMs);
  // It was held for 40 s: a minute has to pass.
  expect(await holdMsAfter(61_000)).toBe(firstMs);
  for (const expected of [2, 4, 8, 16]) expect(await holdMsAfter(1_000)).toBe(expected * firstMs);
  // It was held for 160 s: so long has to pass.
  expect(await holdMsAfter(150_000)).toBe(30 * firstMs);
  expect(await holdMsAfter(301_000)).toBe(firstMs);
});

test('faults of different kinds do not add up', async ({ client, keys }) => {
  const throttle = openThrottle({ redis: client, keys, random: () => 0 });
  const network: Backoff = { ...HELD, firstWaitMs: SHORT_WAIT.firstMs, longestWaitMs: SHORT_WAIT.longestMs };
  const throttled: Backoff = { ...HELD, state: 'throttled', firstWaitMs: THROTTLE_WAIT.firstMs };
  const waits: number[] = [];
  for (const backoff of [network, network, throttled, network, HELD]) {
    // Its time is over, and it meets the next fault.
    await client.hset(keys.mailboxStatus(MAILBOX.id), 'untilMs', 0);
    const change = await throttle.apply(MAILBOX, 'm', { kind: 'blocked', backoff });
    if (change.kind === 'blocked') waits.push(change.waitMs);
  }
  expect(waits).toEqual([
    SHORT_WAIT.firstMs,
    2 * SHORT_WAIT.firstMs,
    THROTTLE_WAIT.firstMs,
    4 * SHORT_WAIT.firstMs,
    HOLD_WAIT.firstMs,
  ]);
});

test.for([-300_000, 300_000])(
  'a hold lasts as long for a worker whose clock is wrong by %i ms',
  async (wrongMs, { client, keys }) => {
    const throttle = openThrottle({ redis: client, keys, random: () => 0 });
    vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + wrongMs });
    onTestFinished(() => void vi.useRealTimers());
    const change = await throttle.apply(MAILBOX, 'm', { kind: 'blocked', backoff: HELD });
    expect(change).toMatchObject({ kind: 'blocked', waitMs: firstMs });
    expect(await throttle.isBlocked(MAILBOX.id)).toBe(true);
    await throttle.resume(MAILBOX.id);
    expect(await throttle.isBlocked(MAILBOX.id)).toBe(false);
  },
);
