/** Estimates when a message is sent, from what Redis knows of its queue and its mailboxes. */
import type { Queue } from 'bullmq';
import { positionAhead, type Backlog, estimateAt } from '../../core/mailbox/eta.ts';
import type { Mailbox } from '../../core/mailbox/mailbox.ts';
import type { StoredMessage } from '../records/codec.ts';
import type { Level } from '../../core/message/message.ts';
import { type QueueKeys, queueKeys } from '../jobs/bullmq-keys.ts';
import type { Keys } from '../redis/keys.ts';
import { PRIORITIES, PRIORITY_FACTOR } from '../jobs/priorities.ts';
import type { RedisClient } from '../redis/client.ts';

/** Of a mailbox with a higher limit the slots are not read: its queue seldom takes long. */
const SLOTS_MAX = 1_000;

/** How soon a mailbox sends. */
export interface Capacity {
  /** 0 = no limit. */
  readonly messagesPerMinute: number;
  /** When each slot in its window is free again. */
  readonly placesFreeAtMs: readonly number[];
  /** By a fault or a person; in a pool, the others take its share. */
  readonly stopped: boolean;
  /** Of a mailbox that is blocked. */
  readonly untilMs: number;
  /** The time from one finished message to the next with all connections in use; 0 = not known. */
  readonly messageMs: number;
}

/** A failed read must not refuse a message: what Redis does not say counts as free. */
export async function readCapacity(redis: RedisClient, keys: Keys, { id, limits }: Mailbox): Promise<Capacity> {
  const { messagesPerMinute, connections } = limits;
  const isRead = messagesPerMinute > 0 && messagesPerMinute <= SLOTS_MAX;
  const [[state = null, untilMs = null, pausedMs = null, paceMs = null], slots] = await Promise.all([
    redis.hmget(keys.mailboxStatus(id), 'state', 'untilMs', 'pausedMs', 'paceMs').catch(() => []),
    isRead ? redis.zrange(keys.sent(id), 0, '-1', 'WITHSCORES').catch(() => []) : [],
  ]);
  return {
    messagesPerMinute,
    placesFreeAtMs: slots.filter((_, i) => i % 2 === 1).map(Number),
    stopped: state === 'held' || pausedMs !== null,
    untilMs: state === null ? 0 : Number(untilMs),
    messageMs: connections > 0 ? Number(paceMs) / connections : 0,
  };
}

/** When a message is sent that has so many before it in its queue, and may go through these mailboxes. */
export function estimateTurn(ahead: number, capacities: readonly Capacity[], windowMs: number, now: Date): Date {
  const good = capacities.filter(({ stopped }) => !stopped);
  const working = good.length > 0 ? good : capacities;
  const limits = working.map(({ messagesPerMinute }) => messagesPerMinute);
  return estimateAt(now, {
    ahead,
    placesFreeAtMs: working.flatMap(({ placesFreeAtMs }) => placesFreeAtMs).sort((a, b) => a - b),
    messagesPerWindow: limits.includes(0) ? 0 : limits.reduce((sum, limit) => sum + limit, 0),
    windowMs,
    messageMs: together(working.map(({ messageMs }) => messageMs)),
    untilMs: Math.min(...working.map(({ untilMs }) => untilMs)),
  });
}

/** The time from one finished message to the next when all of them send at these paces. */
function together(pacesMs: readonly number[]): number {
  return pacesMs.includes(0) ? 0 : 1 / pacesMs.reduce((sum, paceMs) => sum + 1 / paceMs, 0);
}

/** A message's queue, and what the limits of its mailboxes go by. */
export interface EstimateContext {
  readonly redis: RedisClient;
  readonly keys: Keys;
  readonly queue: Queue;
  readonly windowMs: number;
}

/** When a message that waits in its queue is sent; undefined when it does not wait there. */
export async function estimateWaiting(
  { jobId }: StoredMessage,
  through: readonly Mailbox[],
  { redis, keys, queue, windowMs }: EstimateContext,
): Promise<Date | undefined> {
  if (through.length === 0) return undefined;
  const [rank, backlog, capacities] = await Promise.all([
    redis.zrank(keysOf(queue).prioritized, jobId),
    readBacklog(redis, queue),
    Promise.all(through.map((mailbox) => readCapacity(redis, keys, mailbox))),
  ]);
  if (typeof rank !== 'number') return undefined;
  return estimateTurn(positionAhead(...positionOf(rank, backlog), backlog), capacities, windowMs, new Date());
}

function keysOf(queue: Queue): QueueKeys {
  return queueKeys(queue.opts.prefix ?? '', queue.name);
}

async function readBacklog(redis: RedisClient, queue: Queue): Promise<Backlog> {
  const { prioritized, active } = keysOf(queue);
  const count = (priority: number) =>
    redis.zcount(prioritized, priority * PRIORITY_FACTOR, `(${(priority + 1) * PRIORITY_FACTOR}`);
  const [high, normal, low, underWay] = await Promise.all([
    count(PRIORITIES.high),
    count(PRIORITIES.normal),
    count(PRIORITIES.low),
    redis.llen(active),
  ]);
  return { high, normal, low, underWay };
}

/** The priority that the message has now, after aging, and its position among those of the same priority. */
function positionOf(rank: number, { high, normal }: Backlog): [Level, number] {
  if (rank < high) return ['high', rank];
  return rank < high + normal ? ['normal', rank - high] : ['low', rank - high - normal];
}
