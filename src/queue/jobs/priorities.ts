/**
 * The lanes of a queue. BullMQ serves the lower number first, strictly: under a limit of 30 a minute a stream of
 * important mail would stop the rest for ever. So now and then the oldest message of a lower lane is lifted to the front.
 */
import type { Queue } from 'bullmq';
import { AGE_EVERY } from '../../core/mailbox/eta.ts';
import type { Level } from '../../core/message/message.ts';
import type { RedisClient } from '../redis/client.ts';

export const PRIORITIES: Readonly<Record<Level, number>> = { high: 1, normal: 10, low: 100 };

const SHARES: readonly { readonly lane: number; readonly every: number }[] = [
  { lane: PRIORITIES.low, every: AGE_EVERY.low },
  { lane: PRIORITIES.normal, every: AGE_EVERY.normal },
];

/** BullMQ keeps a waiting job at priority × 2^32 + its place in the order of arrival. */
export const PRIORITY_FACTOR = 2 ** 32;

/** Call what comes back once for each message that is admitted. */
export function makeAging(queue: Queue, redis: RedisClient): () => Promise<void> {
  let admitted = 0;
  return async () => {
    admitted += 1;
    for (const { lane, every } of SHARES) {
      if (admitted % every === 0) await ageOldest(queue, redis, lane);
    }
  };
}

async function ageOldest(queue: Queue, redis: RedisClient, lane: number): Promise<void> {
  const waiting = queue.toKey('prioritized');
  const [first, next] = [lane * PRIORITY_FACTOR, (lane + 1) * PRIORITY_FACTOR];
  const [above, [id]] = await Promise.all([
    redis.zcount(waiting, '-inf', `(${first}`),
    redis.zrange(waiting, first, `(${next}`, 'BYSCORE', 'LIMIT', 0, 1),
  ]);
  // With no other before it, it is the next one as it is.
  if (!id || above === 0) return;
  const job = await queue.getJob(id);
  // A worker may have taken it by now: then there is nothing left to lift.
  await job?.changePriority({ priority: PRIORITIES.high }).catch(() => undefined);
}
