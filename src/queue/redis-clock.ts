/**
 * Redis's clock, as far as this process knows it: each answer that tells Redis's time sets it. It is kept on the
 * process's monotonic clock, so that a change of the machine's time does not disturb it.
 */

export interface RedisClock {
  /** Redis's time in ms, never ahead of the true one by more than a fast answer takes; undefined: not told yet. */
  now(): number | undefined;
  /** Takes in an answer that told Redis's time; `sentAt` is `performance.now()` of its question. */
  tell(redisMs: number, sentAt: number): void;
}

/** An answer this fast is trusted even when it sets the clock back. */
const FAST_MS = 50;

export function makeRedisClock(): RedisClock {
  let aheadMs: number | undefined;
  return {
    now: () => (aheadMs === undefined ? undefined : performance.now() + aheadMs),
    tell: (redisMs, sentAt) => {
      const receivedAt = performance.now();
      // Redis said it before it was heard: a late answer can only set the clock too early, so the latest one counts.
      const sampleMs = redisMs - receivedAt;
      if (aheadMs === undefined || sampleMs > aheadMs || receivedAt - sentAt < FAST_MS) aheadMs = sampleMs;
    },
  };
}
