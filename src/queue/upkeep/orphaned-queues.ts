/** Queues that no mailbox or pool of the configuration takes any more, and what waits in them. */
import type { QueueDepth } from '../../core/admin/mailbox-admin.ts';
import type { Directory } from '../../core/mailbox/mailbox.ts';
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

/** Without a `Queue` of BullMQ's, which would stay open for a queue that is only looked at. */
async function depthOf(redis: RedisClient, { prefix }: Keys, name: string): Promise<QueueDepth> {
  const key = (of: string) => `${prefix}:${name}:${of}`;
  const [prioritized, wait, delayed, underWay] = await Promise.all([
    redis.zcard(key('prioritized')),
    redis.llen(key('wait')),
    redis.zcard(key('delayed')),
    redis.llen(key('active')),
  ]);
  return { waiting: prioritized + wait, delayed, underWay };
}
