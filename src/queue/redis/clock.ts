/**
 * Redis's clock, as far as this process knows it: each answer with Redis's time sets it. It runs on the process's monotonic
 * clock, so that a change of the machine's time does not disturb it.
 */

export interface RedisClock {
  /** Redis's time in ms, never ahead of the true one by more than a fast answer takes; undefined before the first answer. */
  now(): number | undefined;
  /** Sets the clock from an answer with Redis's time; `sentAt` is `performance.now()` of the question. */
  set(redisMs: number, sentAt: number): void;
}

/** An answer this fast is trusted even when it sets the clock back. */
const FAST_MS = 50;

export function makeRedisClock(): RedisClock {
  let aheadMs: number | undefined;
  return {
    now: () => (aheadMs === undefined ? undefined : performance.now() + aheadMs),
    set: (redisMs, sentAt) => {
      const receivedAt = performance.now();
      // Redis wrote the answer before it arrived: a slow one can only set the clock too early, so the latest time counts.
      const sampleMs = redisMs - receivedAt;
      if (aheadMs === undefined || sampleMs > aheadMs || receivedAt - sentAt < FAST_MS) aheadMs = sampleMs;
    },
  };
}
