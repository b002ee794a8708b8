/** Wrong API keys by network, counted in Redis for all processes. While Redis is away each process counts for itself. */
import { type RateLimiterAbstract, RateLimiterMemory, RateLimiterRedis, RateLimiterRes } from 'rate-limiter-flexible';
import {
  WRONG_KEYS_MAX,
  WRONG_KEYS_WINDOW_MS,
  type WrongKeyCount,
  type WrongKeys,
} from '../../core/submit/key-guard.ts';
import type { RedisClient } from '../redis/client.ts';
import type { Keys } from '../redis/keys.ts';

const LIMIT = { points: WRONG_KEYS_MAX, duration: WRONG_KEYS_WINDOW_MS / 1_000 };

export function openWrongKeys(redis: RedisClient, keys: Keys): WrongKeys {
  const limiter = new RateLimiterRedis({
    ...LIMIT,
    storeClient: redis,
    keyPrefix: keys.wrongKeys,
    // Redis is not asked again about a network that is blocked.
    inMemoryBlockOnConsumed: WRONG_KEYS_MAX + 1,
    rejectIfRedisNotReady: true,
    insuranceLimiter: new RateLimiterMemory(LIMIT),
  });
  return counted(limiter);
}

/** Counted in this process only. */
export function wrongKeysInMemory(): WrongKeys {
  return counted(new RateLimiterMemory(LIMIT));
}

function counted(limiter: RateLimiterAbstract): WrongKeys {
  return {
    add: async (network) => toCount(await limiter.consume(network).catch(resultOrThrow)),
    count: async (network) => toCount(await limiter.get(network)),
  };
}

/** The limiter rejects with its result when the limit is reached. */
function resultOrThrow(reason: unknown): RateLimiterRes {
  if (reason instanceof RateLimiterRes) return reason;
  throw reason;
}

function toCount(result: RateLimiterRes | null): WrongKeyCount {
  if (!result) return { wrong: 0, leftMs: 0 };
  // A network that is blocked in memory comes back without its count.
  const wrong = result.consumedPoints > 0 ? result.consumedPoints : WRONG_KEYS_MAX + 1;
  return { wrong, leftMs: Math.max(0, result.msBeforeNext) };
}
