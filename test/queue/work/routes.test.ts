/** Which route a message is claimed through, when some are busy, used up or blocked. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { EXCHANGE_LIMITS } from '../../../src/core/mailbox/mailbox.ts';
import { openThrottle } from '../../../src/queue/limits/throttle.ts';
import { rankRoutes, type Route } from '../../../src/queue/work/routes.ts';
import { openTestAttempts, testRoute, writeQueued } from '../../helpers/admit.ts';
import { connectTo, startTestRedis, type TestRedis, testKeys } from '../../helpers/redis.ts';

let redis: TestRedis;
beforeAll(async () => {
  redis = await startTestRedis();
});
afterAll(() => redis.close());

const JOB = { id: 'm', token: 't', recipients: 1 };
const HELD = { state: 'held', reason: { explanation: 'No.' }, firstWaitMs: 90_000, longestWaitMs: 90_000 } as const;

/** A route with so many slots, of which so many are busy. */
function route(id: string, slots: number, busy: number): Route {
  const made = testRoute({ id, limits: { ...EXCHANGE_LIMITS, messagesPerMinute: 1 } }, slots);
  for (let n = 0; n < busy; n += 1) void made.semaphore.acquire();
  return made;
}

async function openPool() {
  const client = connectTo(redis);
  const keys = testKeys();
  const throttle = openThrottle({ redis: client, keys, random: () => 0 });
  const attempts = openTestAttempts(client, keys, throttle);
  await writeQueued(client, keys, 'm');
  return {
    claim: (...routes: readonly Route[]) => attempts.claim(JOB, routes),
    hold: ({ mailbox }: Route) => throttle.block(mailbox, HELD),
    useUp: ({ mailbox }: Route) => throttle.apply(mailbox, 'other', { kind: 'took', recipients: 1, certain: true }),
  };
}

test('a pool asks again soon while one of its mailboxes is busy, whose replies may take minutes', async () => {
  const { claim, useUp } = await openPool();
  const usedUp = route('used-up', 3, 0);
  await useUp(usedUp);
  expect(await claim(route('busy', 3, 3), usedUp)).toMatchObject({ waitMs: 100, refusals: [{ reason: 'rate' }] });
});

test('a pool takes the first mailbox that has a slot and may send', async () => {
  const { claim, hold } = await openPool();
  const [busy, held, good] = [route('busy', 1, 1), route('held', 3, 0), route('good', 3, 2)];
  await hold(held);
  expect(await claim(busy, held, good)).toMatchObject({ kind: 'claimed', route: { mailbox: { id: 'good' } } });
  expect([busy, held, good].map(({ semaphore }) => semaphore.taken)).toEqual([1, 0, 3]);
});

test('a pool waits for the mailbox that goes on first', async () => {
  const { claim, hold, useUp } = await openPool();
  const [held, usedUp] = [route('held', 3, 0), route('used-up', 3, 0)];
  await hold(held);
  await useUp(usedUp);
  const wait = await claim(held, usedUp);
  expect(wait).toMatchObject({ kind: 'wait', refusals: [{ reason: 'held' }, { reason: 'rate' }] });
  expect(wait.kind === 'wait' && wait.waitMs).toBeLessThanOrEqual(60_000);
});

test('a mailbox of its own waits for one of its slots', async () => {
  const { claim } = await openPool();
  const only = route('only', 1, 1);
  const claiming = claim(only);
  only.semaphore.release();
  expect((await claiming).kind).toBe('claimed');
});

describe('messages to one recipient', () => {
  const STICKY_KEYS = Array.from({ length: 10_000 }, (_, n) => n * 429_497);
  const pool = (...ids: readonly string[]) => ids.map((id) => route(id, 1, 0));

  /** The mailbox of each sticky key. */
  const placeAll = (routes: readonly Route[], broken?: string) => {
    const room = async () => routes.map(({ mailbox: { id } }) => ({ messages: 1, works: id !== broken }));
    return Promise.all(
      STICKY_KEYS.map(async (key) => (await rankRoutes(routes, { room }, key)).map(({ mailbox }) => mailbox.id).join()),
    );
  };
  const shareOf = (id: string, placed: readonly string[]) => placed.filter((one) => one === id).length / placed.length;

  test('are spread evenly over the pool', async () => {
    const placed = await placeAll(pool('a', 'b', 'c'));
    for (const id of ['a', 'b', 'c']) expect(shareOf(id, placed)).toBeCloseTo(1 / 3, 1);
  });

  test('move to a mailbox that joins the pool, and only to that one', async () => {
    const before = await placeAll(pool('a', 'b', 'c'));
    const after = await placeAll(pool('a', 'b', 'c', 'd'));
    const moved = after.filter((id, n) => id !== before[n]);
    expect(moved.length / after.length).toBeLessThan(0.27);
    expect(new Set(moved)).toEqual(new Set(['d']));
  });

  test('leave a mailbox that is blocked, and no other', async () => {
    const routes = pool('a', 'b', 'c');
    const before = await placeAll(routes);
    const after = await placeAll(routes, 'b');
    expect(after.every((id, n) => (before[n] === 'b' ? id !== 'b' : id === before[n]))).toBe(true);
  });
});
