/** Found by the torture run: faults that had nothing to do with each other added up to holds of minutes. */
import { afterAll, beforeAll, expect, onTestFinished, test, vi } from 'vitest';
import { HOLD_WAIT, SHORT_WAIT, SLOW_WAIT } from '../../../src/core/replies/classification.ts';
import { EXCHANGE_LIMITS } from '../../../src/core/mailbox/mailbox.ts';
import type { Restraint } from '../../../src/core/mailbox/status.ts';
import { openGovernor } from '../../../src/queue/limits/throttle.ts';
import { connectTo, startTestRedis, type TestRedis, testKeys } from '../../helpers/redis.ts';

let redis: TestRedis;
beforeAll(async () => {
  redis = await startTestRedis();
});
afterAll(() => redis.close());

const MAILBOX = { id: 'a@contoso.com', limits: EXCHANGE_LIMITS };
const { firstMs } = HOLD_WAIT;
const HELD: Restraint = {
  state: 'held',
  reason: { explanation: 'A fault.' },
  firstWaitMs: firstMs,
  longestWaitMs: HOLD_WAIT.longestMs,
};

test('a fault is the first again once the mailbox has worked for a while, and a worse one before', async () => {
  const client = connectTo(redis);
  const keys = testKeys();
  const governor = openGovernor({ redis: client, keys, random: () => 0 });
  /** How long the mailbox is held for a fault that comes so long after the last hold was over. */
  const holdMsAfter = async (passedMs: number): Promise<number> => {
    const untilMs = Number((await client.hget(keys.standing(MAILBOX.id), 'untilMs')) ?? Date.now());
    // Instead of waiting, all that is known of the past moves further into it.
    const shift = untilMs + passedMs - Date.now();
    for (const field of await client.hkeys(keys.standing(MAILBOX.id))) {
      if (/^(untilMs|sinceMs|calmAtMs:.*)$/.test(field)) await client.hincrby(keys.standing(MAILBOX.id), field, -shift);
    }
    const before = Date.now();
    const change = await governor.settle(MAILBOX, 'm', { kind: 'restrained', restraint: HELD });
    return change.kind === 'restrained' ? Math.round((change.until.getTime() - before) / 1_000) * 1_000 : 0;
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

test('faults of different kinds do not add up', async () => {
  const client = connectTo(redis);
  const keys = testKeys();
  const governor = openGovernor({ redis: client, keys, random: () => 0 });
  const network: Restraint = { ...HELD, firstWaitMs: SHORT_WAIT.firstMs, longestWaitMs: SHORT_WAIT.longestMs };
  const throttled: Restraint = { ...HELD, state: 'throttled', firstWaitMs: SLOW_WAIT.firstMs };
  const waits: number[] = [];
  for (const restraint of [network, network, throttled, network, HELD]) {
    // Its time is over, and it meets the next fault.
    await client.hset(keys.standing(MAILBOX.id), 'untilMs', 0);
    const change = await governor.settle(MAILBOX, 'm', { kind: 'restrained', restraint });
    if (change.kind === 'restrained') waits.push(change.waitMs);
  }
  expect(waits).toEqual([
    SHORT_WAIT.firstMs,
    2 * SHORT_WAIT.firstMs,
    SLOW_WAIT.firstMs,
    4 * SHORT_WAIT.firstMs,
    HOLD_WAIT.firstMs,
  ]);
});

test.each([-300_000, 300_000])('a hold lasts as long for a worker whose clock is wrong by %i ms', async (wrongMs) => {
  const governor = openGovernor({ redis: connectTo(redis), keys: testKeys(), random: () => 0 });
  vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + wrongMs });
  onTestFinished(() => void vi.useRealTimers());
  const change = await governor.settle(MAILBOX, 'm', { kind: 'restrained', restraint: HELD });
  expect(change).toMatchObject({ kind: 'restrained', waitMs: firstMs });
  expect(await governor.isRestrained(MAILBOX.id)).toBe(true);
  await governor.resume(MAILBOX.id);
  expect(await governor.isRestrained(MAILBOX.id)).toBe(false);
});
