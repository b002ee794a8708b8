/**
 * Keeps a process on Redis's time. What a process writes for others (when a message is tried again, when its time is over)
 * must not depend on the clock of its machine.
 */
import { openPeriodic } from '../../lib/async.ts';
import type { RedisClient } from './client.ts';
import { makeRedisClock, type RedisClock } from './clock.ts';

export interface RedisTime {
  /** Redis's time, which all processes of an installation share; this machine's until Redis has answered. */
  now(): Date;
  close(): void;
}

const ASK_EVERY_MS = 5_000;

export async function openRedisTime(redis: RedisClient, onError: (error: Error) => void): Promise<RedisTime> {
  const clock = makeRedisClock();
  const ask = async () => {
    await askTime(redis, clock);
  };
  const asking = openPeriodic(ASK_EVERY_MS, ask, onError);
  await ask().catch(onError);
  return {
    now: () => new Date(clock.now() ?? Date.now()),
    // A Redis that is away must not hold up the end: an answer in progress is not waited for.
    close: () => void asking.close(),
  };
}

/** Asks Redis for its time (ms), and sets the clock. */
export async function askTime(redis: RedisClient, clock: RedisClock): Promise<number> {
  const sentAt = performance.now();
  const [seconds, microseconds] = await redis.time();
  const redisMs = Number(seconds) * 1_000 + Math.floor(Number(microseconds) / 1_000);
  clock.set(redisMs, sentAt);
  return redisMs;
}
