/** Tells when a message's turn comes, from what Redis says of its queue and its mailboxes. */
import type { Queue } from 'bullmq';
import { estimateAt } from '../core/estimate.ts';
import type { Mailbox } from '../core/mailbox.ts';
import type { StoredMessage } from './codec.ts';
import type { Keys } from './keys.ts';
import type { RedisClient } from './redis.ts';

/** The window of the limit of messages a minute. */
const WINDOW_MS = 60_000;
/** Of a mailbox with a higher limit the places are not read: its queue is hardly ever long in time. */
const PLACES_MAX = 1_000;

/** What of a mailbox says how soon it sends. */
export interface Outlook {
  /** 0 = no limit. */
  readonly messagesPerMinute: number;
  /** When each place in its window is free again. */
  readonly placesFreeAtMs: readonly number[];
  readonly held: boolean;
  /** Of a mailbox that is restrained. */
  readonly untilMs: number;
}

/** An estimate is not worth a refusal: what Redis does not tell is taken for good. */
export async function readOutlook(redis: RedisClient, keys: Keys, { id, limits }: Mailbox): Promise<Outlook> {
  const { messagesPerMinute } = limits;
  const isRead = messagesPerMinute > 0 && messagesPerMinute <= PLACES_MAX;
  const [[state = null, untilMs = null], places] = await Promise.all([
    redis.hmget(keys.standing(id), 'state', 'untilMs').catch(() => []),
    isRead ? redis.zrange(keys.sent(id), 0, '-1', 'WITHSCORES').catch(() => []) : [],
  ]);
  return {
    messagesPerMinute,
    placesFreeAtMs: places.filter((_, i) => i % 2 === 1).map(Number),
    held: state === 'held',
    untilMs: state === null ? 0 : Number(untilMs),
  };
}

/** When a message's turn comes that has so many before it in its queue and may go through these mailboxes. */
export function estimateTurn(ahead: number, outlooks: readonly Outlook[], now: Date): Date {
  const good = outlooks.filter(({ held }) => !held);
  const working = good.length > 0 ? good : outlooks;
  const limits = working.map(({ messagesPerMinute }) => messagesPerMinute);
  return estimateAt(now, {
    ahead,
    placesFreeAtMs: working.flatMap(({ placesFreeAtMs }) => placesFreeAtMs).sort((a, b) => a - b),
    messagesPerWindow: limits.includes(0) ? 0 : limits.reduce((sum, limit) => sum + limit, 0),
    windowMs: WINDOW_MS,
    untilMs: Math.min(...working.map(({ untilMs }) => untilMs)),
  });
}

/** When the turn of a message comes that waits in its queue; undefined when it does not wait there. */
export async function forecast(
  redis: RedisClient,
  keys: Keys,
  queue: Queue,
  { ticket }: StoredMessage,
  through: readonly Mailbox[],
): Promise<Date | undefined> {
  if (through.length === 0) return undefined;
  const [place, active, outlooks] = await Promise.all([
    redis.zrank(queue.toKey('prioritized'), ticket),
    redis.llen(queue.toKey('active')),
    Promise.all(through.map((mailbox) => readOutlook(redis, keys, mailbox))),
  ]);
  return typeof place === 'number' ? estimateTurn(place + active, outlooks, new Date()) : undefined;
}
