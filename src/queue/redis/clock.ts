/**
 * Redis's clock, as far as this process knows it: each answer that tells Redis's time sets it. It is kept on the
 * process's monotonic clock, so that a change of the machine's time does not disturb it.
 */

import type { RedisClient } from './client.ts';

export interface RedisClock {
  /** Redis's time in ms, never ahead of the true one by more than a fast answer takes; undefined: not told yet. */
  now(): number | undefined;
  /** Takes in an answer that told Redis's time; `sentAt` is `performance.now()` of its question. */
  tell(redisMs: number, sentAt: number): void;
}

export interface RedisTime {
  /** Redis's time, as all processes of an installation know it; this machine's until Redis has told it. */
  now(): Date;
  close(): void;
}

const ASK_EVERY_MS = 5_000;

/**
 * Asks Redis for its time now and then: what a process puts down for others (when a mail is tried again, when its time
 * is over) must not hang on the clock of its machine.
 */
export async function openRedisTime(redis: RedisClient, onError: (error: Error) => void): Promise<RedisTime> {
  const clock = makeRedisClock();
  const ask = () => askTime(redis, clock).catch(onError);
  const timer = setInterval(ask, ASK_EVERY_MS);
  await ask();
  return {
    now: () => new Date(clock.now() ?? Date.now()),
    close: () => clearInterval(timer),
  };
}

/** Resolves to Redis's time in ms, which the clock knows then. */
export async function askTime(redis: RedisClient, clock: RedisClock): Promise<number> {
  const sentAt = performance.now();
  const [seconds, microseconds] = await redis.time();
  const redisMs = Number(seconds) * 1_000 + Math.floor(Number(microseconds) / 1_000);
  clock.tell(redisMs, sentAt);
  return redisMs;
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
