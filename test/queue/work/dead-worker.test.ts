/** Messages that a worker was sending when it died, as the throttle counts them. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { SHORT_WAIT } from '../../../src/core/replies/classification.ts';
import { EXCHANGE_LIMITS } from '../../../src/core/mailbox/mailbox.ts';
import type { Backoff } from '../../../src/core/mailbox/status.ts';
import { type Throttle, openThrottle } from '../../../src/queue/limits/throttle.ts';
import type { RedisClient } from '../../../src/queue/redis/client.ts';
import { type Admit, makeAdmit } from '../../helpers/admit.ts';
import { connectTo, startTestRedis, type TestRedis, testKeys } from '../../helpers/redis.ts';

let redis: TestRedis;
beforeAll(async () => {
  redis = await startTestRedis();
});
afterAll(() => redis.close());

const MAILBOX = { id: 'a@contoso.com', limits: { ...EXCHANGE_LIMITS, messagesPerMinute: 4 } };
const HELD: Backoff = {
  state: 'held',
  reason: { explanation: 'A fault.' },
  firstWaitMs: SHORT_WAIT.firstMs,
  longestWaitMs: SHORT_WAIT.longestMs,
};

type Worker = Throttle & { readonly admit: Admit };

interface Fleet {
  readonly dead: Worker;
  readonly alive: Worker;
  kill(): Promise<unknown>;
}

/** Two workers with leases; one of them can be killed, which the end of its lease shows. */
async function openFleet(client: RedisClient): Promise<Fleet> {
  const keys = testKeys();
  const soon = Date.now() + 60_000;
  await client.zadd(keys.workers, soon, 'dead', soon, 'alive');
  const workerOf = (name: string): Worker => {
    const throttle = openThrottle({ redis: client, keys, worker: name, random: () => 0 });
    return { ...throttle, admit: makeAdmit(client, keys, throttle) };
  };
  return {
    dead: workerOf('dead'),
    alive: workerOf('alive'),
    kill: () => client.zadd(keys.workers, Date.now() - 1, 'dead'),
  };
}

describe('a message that a dead worker was sending', () => {
  test('does not keep a held mailbox from being tried', async () => {
    const { dead, alive, kill } = await openFleet(connectTo(redis));
    for (const message of ['m1', 'm2', 'm3']) await dead.admit(MAILBOX, message, 1);
    await alive.apply(MAILBOX, 'm0', { kind: 'blocked', backoff: HELD });
    await alive.resume(MAILBOX.id);
    expect(await alive.admit(MAILBOX, 'm4', 1)).toMatchObject({ kind: 'wait', refusals: [{ reason: 'recovering' }] });
    await kill();
    expect(await alive.admit(MAILBOX, 'm2', 1)).toMatchObject({ kind: 'claimed' });
  });

  test('counts against the rate, for it may have been sent', async () => {
    const { dead, alive, kill } = await openFleet(connectTo(redis));
    for (const message of ['m1', 'm2', 'm3']) await dead.admit(MAILBOX, message, 1);
    await kill();
    expect(await alive.admit(MAILBOX, 'm4', 1)).toMatchObject({ kind: 'claimed' });
    expect(await alive.admit(MAILBOX, 'm5', 1)).toMatchObject({ kind: 'wait', refusals: [{ reason: 'rate' }] });
  });
});
