/** When the next attempt is due, or that there is no time for one. Pure: tested without a queue. */

export interface RetryPolicy {
  /** The wait before each next attempt; the last one repeats. */
  readonly delaysMs: readonly [number, ...number[]];
  /** Uniform in [0, 1). */
  readonly random: () => number;
}

/** What the time of the next attempt depends on. */
export interface RetryRequest {
  /** Attempts so far, 1 or more. */
  readonly attempts: number;
  readonly now: Date;
  readonly expiresAt: Date;
  /** The wait that the reply asks for: the next attempt does not come sooner. */
  readonly askedWaitMs?: number | undefined;
}

export type NextAttempt = { readonly kind: 'retry'; readonly at: Date } | { readonly kind: 'expire' };

/** Spreads messages that failed together, so that they do not come back together. */
const JITTER = 0.2;

/** The next attempt; `expire` when the message's time ends before it. */
export function nextAttempt(
  { attempts, now, expiresAt, askedWaitMs = 0 }: RetryRequest,
  policy: RetryPolicy,
): NextAttempt {
  const waitMs = jittered(delayMs(attempts, policy.delaysMs), policy.random);
  const at = new Date(now.getTime() + Math.max(waitMs, askedWaitMs));
  return at < expiresAt ? { kind: 'retry', at } : { kind: 'expire' };
}

function delayMs(attempts: number, delaysMs: RetryPolicy['delaysMs']): number {
  return delaysMs[Math.min(attempts, delaysMs.length) - 1] ?? delaysMs[0];
}

function jittered(delay: number, random: () => number): number {
  return Math.round(delay * (1 - JITTER + 2 * JITTER * random()));
}
