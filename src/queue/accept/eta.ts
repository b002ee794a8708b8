/** Tells when a message's turn comes, from what Redis says of its queue and its mailboxes. */
import type { Queue } from 'bullmq';
import { positionAhead, type Backlog, estimateAt } from '../../core/mailbox/eta.ts';
import type { Mailbox } from '../../core/mailbox/mailbox.ts';
import type { StoredMessage } from '../records/codec.ts';
import type { Level } from '../../core/message/message.ts';
import type { Keys } from '../redis/keys.ts';
import { PRIORITIES, PRIORITY_FACTOR } from '../jobs/priorities.ts';
import type { RedisClient } from '../redis/client.ts';

/** Of a mailbox with a higher limit the places are not read: its queue is hardly ever long in time. */
const PLACES_MAX = 1_000;

/** What of a mailbox says how soon it sends. */
export interface Capacity {
  /** 0 = no limit. */
  readonly messagesPerMinute: number;
  /** When each place in its window is free again. */
  readonly placesFreeAtMs: readonly number[];
  /** By a fault or a person: in a pool, the others take its share. */
  readonly stopped: boolean;
  /** Of a mailbox that is blocked. */
  readonly untilMs: number;
  /** How often a message ends with all connections at work; 0 = not known. */
  readonly messageMs: number;
}

/** An estimate is not worth a refusal: what Redis does not tell is taken for good. */
export async function readCapacity(redis: RedisClient, keys: Keys, { id, limits }: Mailbox): Promise<Capacity> {
  const { messagesPerMinute, connections } = limits;
  const isRead = messagesPerMinute > 0 && messagesPerMinute <= PLACES_MAX;
  const [[state = null, untilMs = null, pausedMs = null, paceMs = null], places] = await Promise.all([
    redis.hmget(keys.mailboxStatus(id), 'state', 'untilMs', 'pausedMs', 'paceMs').catch(() => []),
    isRead ? redis.zrange(keys.sent(id), 0, '-1', 'WITHSCORES').catch(() => []) : [],
  ]);
  return {
    messagesPerMinute,
    placesFreeAtMs: places.filter((_, i) => i % 2 === 1).map(Number),
    stopped: state === 'held' || pausedMs !== null,
    untilMs: state === null ? 0 : Number(untilMs),
    messageMs: connections > 0 ? Number(paceMs) / connections : 0,
  };
}

/** When a message's turn comes that has so many before it in its queue and may go through these mailboxes. */
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

/** How often a message ends when all of them send at these paces. */
function together(pacesMs: readonly number[]): number {
  return pacesMs.includes(0) ? 0 : 1 / pacesMs.reduce((sum, paceMs) => sum + 1 / paceMs, 0);
}

/** When the turn of a message comes that waits in its queue; undefined when it does not wait there. */
export async function forecast(
  redis: RedisClient,
  keys: Keys,
  queue: Queue,
  { ticket }: StoredMessage,
  through: readonly Mailbox[],
  windowMs: number,
): Promise<Date | undefined> {
  if (through.length === 0) return undefined;
  const [rank, backlog, capacities] = await Promise.all([
    redis.zrank(queue.toKey('prioritized'), ticket),
    readBacklog(redis, queue),
    Promise.all(through.map((mailbox) => readCapacity(redis, keys, mailbox))),
  ]);
  if (typeof rank !== 'number') return undefined;
  return estimateTurn(positionAhead(...placeOf(rank, backlog), backlog), capacities, windowMs, new Date());
}

async function readBacklog(redis: RedisClient, queue: Queue): Promise<Backlog> {
  const count = (lane: number) =>
    redis.zcount(queue.toKey('prioritized'), lane * PRIORITY_FACTOR, `(${(lane + 1) * PRIORITY_FACTOR}`);
  const [high, normal, low, underWay] = await Promise.all([
    count(PRIORITIES.high),
    count(PRIORITIES.normal),
    count(PRIORITIES.low),
    redis.llen(queue.toKey('active')),
  ]);
  return { high, normal, low, underWay };
}

/** The lane that the message is in now, for it may have been lifted, and its place there. */
function placeOf(rank: number, { high, normal }: Backlog): [Level, number] {
  if (rank < high) return ['high', rank];
  return rank < high + normal ? ['normal', rank - high] : ['low', rank - high - normal];
}
