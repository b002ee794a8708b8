/** When a message's turn comes, told from what its mailbox may send and what waits before it. */

export interface Forecast {
  /** Messages that go out before this one: those waiting in its lane and the lanes above, and those under way. */
  readonly ahead: number;
  /** When each place of the window that is taken now is free again, ms, ascending. */
  readonly placesFreeAtMs: readonly number[];
  /** 0 = no limit. */
  readonly messagesPerWindow: number;
  readonly windowMs: number;
  /** When a mailbox that is held or throttled goes on. */
  readonly untilMs?: number;
}

/**
 * The places of the window come free one after the other and are taken at once, so after one window the same times come
 * again: the message's place says which of them is its own, and how many windows later.
 */
export function estimateAt(
  now: Date,
  { ahead, placesFreeAtMs, messagesPerWindow, windowMs, untilMs = 0 }: Forecast,
): Date {
  const start = Math.max(now.getTime(), untilMs);
  if (messagesPerWindow === 0) return new Date(start);
  const taken = placesFreeAtMs.filter((at) => at > start).slice(-messagesPerWindow);
  // Free places count as free from the start on; after them come the others, as they fall free.
  const places = [...Array<number>(messagesPerWindow - taken.length).fill(start), ...taken];
  const at = places[ahead % messagesPerWindow] ?? start;
  return new Date(at + Math.floor(ahead / messagesPerWindow) * windowMs);
}
