/**
 * The priorities of a queue. BullMQ always serves the lower number first: under a limit of 30 messages a minute, a stream
 * of important messages would stop the others for ever. So now and then the oldest message of a lower priority goes to the
 * front (aging).
 */
import type { Queue } from 'bullmq';
import { AGE_EVERY } from '../../core/mailbox/eta.ts';
import type { Level } from '../../core/message/message.ts';
import { queueKeys } from './bullmq-keys.ts';
import type { RedisClient } from '../redis/client.ts';

export const PRIORITIES: Readonly<Record<Level, number>> = { high: 1, normal: 10, low: 100 };

const SHARES: readonly { readonly priority: number; readonly every: number }[] = [
  { priority: PRIORITIES.low, every: AGE_EVERY.low },
  { priority: PRIORITIES.normal, every: AGE_EVERY.normal },
];

/** BullMQ keeps a waiting job at priority × 2^32 + its number in the order of arrival. */
export const PRIORITY_FACTOR = 2 ** 32;

/** What it returns is to be called once for each admitted message. */
export function makeAging(queue: Queue, redis: RedisClient): () => Promise<void> {
  let admitted = 0;
  return async () => {
    admitted += 1;
    for (const { priority, every } of SHARES) {
      if (admitted % every === 0) await ageOldest(queue, redis, priority);
    }
  };
}

async function ageOldest(queue: Queue, redis: RedisClient, priority: number): Promise<void> {
  const { prioritized: waiting } = queueKeys(queue.opts.prefix ?? '', queue.name);
  const [first, next] = [priority * PRIORITY_FACTOR, (priority + 1) * PRIORITY_FACTOR];
  const [above, [id]] = await Promise.all([
    redis.zcount(waiting, '-inf', `(${first}`),
    redis.zrange(waiting, first, `(${next}`, 'BYSCORE', 'LIMIT', 0, 1),
  ]);
  // Without another one before it, it is the next one anyway.
  if (!id || above === 0) return;
  const job = await queue.getJob(id);
  // A worker may have taken it by now.
  await job?.changePriority({ priority: PRIORITIES.high }).catch(() => undefined);
}
