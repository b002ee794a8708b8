/** Reads from Redis what `estimateAt` needs to tell when a message's turn comes. */
import type { Queue } from 'bullmq';
import type { ChainableCommander } from 'ioredis';
import { estimateAt } from '../core/estimate.ts';
import type { Mailbox } from '../core/mailbox.ts';
import type { Message } from '../core/message.ts';
import type { StoredMessage } from './codec.ts';
import type { Keys } from './keys.ts';
import { LANES, PRIORITY_FACTOR } from './lanes.ts';
import type { RedisClient } from './redis.ts';

/** The window of the limit of messages a minute. */
const WINDOW_MS = 60_000;
/** Of a mailbox with a higher limit the places are not read: its queue is hardly ever long in time. */
const PLACES_MAX = 1_000;

type Results = readonly (readonly [Error | null, unknown])[];

/**
 * Adds the questions to a transaction, after the message was added to its queue. Returns their number: so many of the
 * last results are for `readForecast`.
 */
export function askForecast(
  transaction: ChainableCommander,
  keys: Keys,
  queue: Queue,
  message: Pick<Message, 'priority'>,
  through: readonly Mailbox[],
): number {
  transaction.zcount(queue.toKey('prioritized'), '-inf', `(${(LANES[message.priority] + 1) * PRIORITY_FACTOR}`);
  transaction.llen(queue.toKey('active'));
  for (const { id, limits } of through) {
    transaction.hmget(keys.standing(id), 'state', 'untilMs');
    transaction.zrange(keys.sent(id), 0, limits.messagesPerMinute > PLACES_MAX ? '0' : '-1', 'WITHSCORES');
  }
  return 2 + 2 * through.length;
}

/** `inQueue`: whether the message itself is among those that were counted. */
export function readForecast(results: Results, through: readonly Mailbox[], now: Date, inQueue = true): Date {
  const [waiting, active, ...standings] = results.map(([, value]) => value);
  const members = through.map(({ limits }, i) => {
    const [state, untilMs] = standings[2 * i] as [string | null, string | null];
    const scores = (standings[2 * i + 1] as string[]).filter((_, at) => at % 2 === 1).map(Number);
    return {
      limit: limits.messagesPerMinute,
      until: state === null ? 0 : Number(untilMs),
      held: state === 'held',
      scores,
    };
  });
  const working = members.some(({ held }) => !held) ? members.filter(({ held }) => !held) : members;
  const limits = working.map(({ limit }) => limit);
  return estimateAt(now, {
    ahead: Math.max(0, Number(waiting) + Number(active) - (inQueue ? 1 : 0)),
    placesFreeAtMs: working.flatMap(({ scores }) => scores).sort((a, b) => a - b),
    messagesPerWindow: limits.includes(0) ? 0 : limits.reduce((sum, limit) => sum + limit, 0),
    windowMs: WINDOW_MS,
    untilMs: Math.min(...working.map(({ until }) => until)),
  });
}

/** When the turn of a message comes that waits in its queue; undefined when it does not wait there. */
export async function forecast(
  redis: RedisClient,
  keys: Keys,
  queue: Queue,
  { message, ticket }: StoredMessage,
  through: readonly Mailbox[],
): Promise<Date | undefined> {
  if (through.length === 0) return undefined;
  const transaction = redis.multi();
  transaction.zrank(queue.toKey('prioritized'), ticket);
  askForecast(transaction, keys, queue, message, through);
  const [place, , ...rest] = (await transaction.exec()) ?? [];
  if (typeof place?.[1] !== 'number') return undefined;
  return readForecast([place, ...rest], through, new Date(), false);
}
