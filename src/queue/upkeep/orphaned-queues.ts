/** Queues with messages whose mailbox or pool is not in the configuration any more. */
import type { QueueDepth } from '../../core/admin/mailbox-admin.ts';
import type { Directory } from '../../core/mailbox/mailbox.ts';
import { queueKeys } from '../jobs/bullmq-keys.ts';
import type { Keys } from '../redis/keys.ts';
import type { RedisClient } from '../redis/client.ts';

export interface OrphanedQueue {
  /** The mailbox's or pool's. */
  readonly name: string;
  readonly queue: QueueDepth;
}

export async function findOrphanedQueues(
  redis: RedisClient,
  keys: Keys,
  { mailboxes, pools }: Directory,
): Promise<readonly OrphanedQueue[]> {
  const known = new Set([...mailboxes.map(({ id }) => id), ...pools.map(({ name }) => name)]);
  const names = (await redis.smembers(keys.queues)).filter((name) => !known.has(name)).sort();
  const all = await Promise.all(names.map(async (name) => ({ name, queue: await depthOf(redis, keys, name) })));
  return all.filter(({ queue: { waiting, delayed, underWay } }) => waiting + delayed + underWay > 0);
}

/** Without BullMQ's `Queue`, which would stay open. */
async function depthOf(redis: RedisClient, { prefix }: Keys, name: string): Promise<QueueDepth> {
  const key = queueKeys(prefix, name);
  const [prioritized, wait, delayed, underWay] = await Promise.all([
    redis.zcard(key.prioritized),
    redis.llen(key.wait),
    redis.zcard(key.delayed),
    redis.llen(key.active),
  ]);
  return { waiting: prioritized + wait, delayed, underWay };
}
