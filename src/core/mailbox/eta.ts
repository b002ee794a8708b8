/** When a message's turn comes, told from what its mailbox may send and what waits before it. */
import type { Level } from '../message/message.ts';

/** Of so many messages that go out, one is the oldest of this lane, whatever waits in the lanes above. */
export const AGE_EVERY = { normal: 5, low: 10 } as const;

/** What waits in a queue, by lane, and what is under way. */
export interface Backlog extends Readonly<Record<Level, number>> {
  readonly underWay: number;
}

/**
 * How many messages go out before the one at this place of its lane (0 = the first). The oldest of a lower lane that is
 * lifted takes its place behind those that wait in the highest.
 */
export function positionAhead(lane: Level, place: number, { high, normal, low, underWay }: Backlog): number {
  switch (lane) {
    case 'high':
      return underWay + place;
    case 'normal':
      return underWay + high + place + Math.min(low, Math.floor((high + place) / (AGE_EVERY.low - 1)));
    case 'low': {
      const liftedAfter = AGE_EVERY.low * (place + 1);
      const liftedBefore = place + Math.min(normal, Math.floor(liftedAfter / AGE_EVERY.normal));
      return underWay + Math.min(high + normal + place, Math.max(liftedAfter, high + liftedBefore));
    }
  }
}

export interface Forecast {
  /** Messages that go out before this one: those waiting in its lane and the lanes above, and those under way. */
  readonly ahead: number;
  /** When each place of the window that is taken now is free again, ms, ascending. */
  readonly placesFreeAtMs: readonly number[];
  /** 0 = no limit. */
  readonly messagesPerWindow: number;
  readonly windowMs: number;
  /** How often a message ends with all connections at work; 0 = not known. */
  readonly messageMs?: number;
  /** When a mailbox that is held or throttled goes on. */
  readonly untilMs?: number;
}

/**
 * The places of the window come free one after the other and are taken at once, so after one window the same times come
 * again: the message's place says which of them is its own, and how many windows later. Where the limit is high, or there
 * is none, the connections are what holds the message up.
 */
export function estimateAt(
  now: Date,
  { ahead, placesFreeAtMs, messagesPerWindow, windowMs, messageMs = 0, untilMs = 0 }: Forecast,
): Date {
  const start = Math.max(now.getTime(), untilMs);
  const paced = start + ahead * messageMs;
  if (messagesPerWindow === 0) return new Date(paced);
  const taken = placesFreeAtMs.filter((at) => at > start).slice(-messagesPerWindow);
  // Free places count as free from the start on; after them come the others, as they fall free.
  const places = [...Array<number>(messagesPerWindow - taken.length).fill(start), ...taken];
  const place = ahead % messagesPerWindow;
  // A place that is free is taken when a connection comes to it, and falls free again as much later.
  const at = Math.max(places[place] ?? start, start + place * messageMs);
  return new Date(Math.max(paced, at + Math.floor(ahead / messagesPerWindow) * windowMs));
}
