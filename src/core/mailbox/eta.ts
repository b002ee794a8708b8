/** Estimates when a message is sent, from what its mailbox may send and what waits before it. */
import type { Level } from '../message/message.ts';

/** One in so many messages sent is the oldest of this priority, whatever waits above it. So no priority starves. */
export const AGE_EVERY = { normal: 5, low: 10 } as const;

/** What waits in a queue, by priority, and what is being sent. */
export interface Backlog extends Readonly<Record<Level, number>> {
  readonly underWay: number;
}

/**
 * How many messages are sent before the one at this position of its priority (0 = the first). The oldest message of a
 * lower priority that has aged goes to the end of the highest one.
 */
export function positionAhead(priority: Level, position: number, { high, normal, low, underWay }: Backlog): number {
  switch (priority) {
    case 'high':
      return underWay + position;
    case 'normal':
      return underWay + high + position + Math.min(low, Math.floor((high + position) / (AGE_EVERY.low - 1)));
    case 'low': {
      const agedAfter = AGE_EVERY.low * (position + 1);
      const agedBefore = position + Math.min(normal, Math.floor(agedAfter / AGE_EVERY.normal));
      return underWay + Math.min(high + normal + position, Math.max(agedAfter, high + agedBefore));
    }
  }
}

/** What the time of a message depends on. */
export interface EstimateInput {
  /** Messages that are sent before this one, those being sent now included. */
  readonly ahead: number;
  /** When each used place of the window is free again, ms, ascending. */
  readonly placesFreeAtMs: readonly number[];
  /** 0 = no limit. */
  readonly messagesPerWindow: number;
  readonly windowMs: number;
  /** The mean time between two messages when all connections are busy; 0 = not known. */
  readonly messageMs?: number;
  /** When a held or throttled mailbox goes on. */
  readonly untilMs?: number;
}

/**
 * The places of the window become free one after the other and are used at once, so the same times come again one window
 * later: the message's position says which place it gets, and how many windows later. With a high limit or without
 * one, the connections decide.
 */
export function estimateAt(
  now: Date,
  { ahead, placesFreeAtMs, messagesPerWindow, windowMs, messageMs = 0, untilMs = 0 }: EstimateInput,
): Date {
  const start = Math.max(now.getTime(), untilMs);
  const paced = start + ahead * messageMs;
  if (messagesPerWindow === 0) return new Date(paced);
  const used = placesFreeAtMs.filter((at) => at > start).slice(-messagesPerWindow);
  // Free places count as free from the start; after them come the used ones, as they become free.
  const places = [...Array<number>(messagesPerWindow - used.length).fill(start), ...used];
  const place = ahead % messagesPerWindow;
  // A free place is used when a connection comes to it, and becomes free again that much later.
  const at = Math.max(places[place] ?? start, start + place * messageMs);
  return new Date(Math.max(paced, at + Math.floor(ahead / messagesPerWindow) * windowMs));
}
