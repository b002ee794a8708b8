/** Admits messages as a worker does when it claims them. */
import type { Transition } from '../../src/core/deliver/transition.ts';
import type { LimitedMailbox } from '../../src/queue/limits/status.ts';
import type { Throttle } from '../../src/queue/limits/throttle.ts';
import { makeBodyCipher } from '../../src/queue/records/body-cipher.ts';
import { encodeMessage } from '../../src/queue/records/codec.ts';
import type { RedisClient } from '../../src/queue/redis/client.ts';
import type { Keys } from '../../src/queue/redis/keys.ts';
import { type Attempts, openAttempts } from '../../src/queue/work/attempts.ts';
import type { Claim, Wait } from '../../src/queue/work/claim.ts';
import type { Route } from '../../src/queue/work/routes.ts';
import { makeSemaphore } from '../../src/lib/async.ts';
import { MESSAGE } from './message.ts';

const RETENTION_MS = 60_000;

/** The claim of a message of so many recipients; a message without a record gets one. */
export type Admit = (mailbox: LimitedMailbox, message: string, recipients: number) => Promise<Claim | Wait>;

export function makeAdmit(redis: RedisClient, keys: Keys, throttle: Throttle): Admit {
  const attempts = openTestAttempts(redis, keys, throttle);
  return async (mailbox, id, recipients) => {
    await writeQueued(redis, keys, id);
    const claim = await attempts.claim({ id, token: 'token', recipients }, [testRoute(mailbox)]);
    if (claim.kind === 'claimed' || claim.kind === 'wait') return claim;
    throw new Error(`The message ${id} could not be claimed: ${claim.kind}.`);
  };
}

export function openTestAttempts(redis: RedisClient, keys: Keys, throttle: Throttle): Attempts {
  return openAttempts({
    redis,
    keys,
    throttle,
    cipher: makeBodyCipher([]),
    retentionMs: RETENTION_MS,
    now: () => new Date(),
  });
}

/** Exchange accepted the message for two recipients. */
export const SENT: Transition = {
  attempt: { at: new Date(), durationMs: 5, outcome: 'sent', explanation: 'Exchange accepted it.' },
  recipients: [],
  status: 'sent',
  effect: { kind: 'took', recipients: 2, certain: true },
};

/** The record and content of a message that waits. */
export async function writeQueued(redis: RedisClient, keys: Keys, id: string, body = '{}'): Promise<void> {
  const message = encodeMessage({ ...MESSAGE, id });
  await redis.hset(keys.record(id), { status: 'queued', acceptedAtMs: 1, client: 'shop', bytes: 2, message });
  await redis.set(keys.body(id), body);
}

/** A route with so many slots; nothing is tried through it. */
export function testRoute(mailbox: LimitedMailbox, slots = 3): Route {
  const semaphore = makeSemaphore();
  semaphore.limit = slots;
  return {
    mailbox: { ...mailbox, address: mailbox.id },
    semaphore,
    unknown: 'retry',
    runAttempt: () => Promise.reject(new Error('Nothing is tried here.')),
  };
}
