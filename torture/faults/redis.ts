/** Redis: killed, restarted, frozen, full, or cut off from a worker. What it confirmed is in its append-only file. */
import { setTimeout as delay } from 'node:timers/promises';
import type { RedisProxy } from '../../test/helpers/redis-proxy.ts';
import type { World } from '../world.ts';
import type { Fault } from './fault.ts';

export const REDIS_FAULTS: readonly Fault[] = [
  { name: 'Redis: SIGKILL', ms: [50, 2_000], inject: (world, _random, forMs) => restart(world, 'SIGKILL', forMs) },
  { name: 'Redis: restart', ms: [0, 500], inject: (world, _random, forMs) => restart(world, 'SIGTERM', forMs) },
  {
    name: 'Redis: away for long',
    ms: [15_000, 25_000],
    isLong: true,
    inject: (world, _random, forMs) => restart(world, 'SIGKILL', forMs),
  },
  { name: 'Redis: frozen', ms: [500, 4_000], inject: (world, _random, forMs) => freeze(world, forMs) },
  {
    name: 'Redis: frozen for long',
    // Longer than a worker's lease and a job's lock: all of them expire, because no worker can renew them.
    ms: [16_000, 20_000],
    isLong: true,
    inject: (world, _random, forMs) => freeze(world, forMs),
  },
  {
    name: 'Redis: a worker cut off',
    // The others get its leases meanwhile.
    ms: [13_000, 18_000],
    isLong: true,
    inject: ({ redisProxies }, random, forMs) => cutOff(random.pick(redisProxies), forMs),
  },
  { name: 'Redis: full', ms: [1_000, 4_000], inject: (world, _random, forMs) => fill(world, forMs) },
];

function restart({ redis, redisMutex }: World, signal: 'SIGKILL' | 'SIGTERM', forMs: number): Promise<void> {
  return redisMutex(async () => {
    await redis.end(signal);
    await delay(forMs);
    await redis.start();
  });
}

function freeze({ redis, redisMutex }: World, forMs: number): Promise<void> {
  return redisMutex(async () => {
    redis.freeze();
    await delay(forMs);
    redis.thaw();
  });
}

async function cutOff(proxy: RedisProxy, forMs: number): Promise<void> {
  proxy.cut();
  await delay(forMs);
  proxy.restore();
}

function fill({ redis, redisMutex }: World, forMs: number): Promise<void> {
  return redisMutex(async () => {
    await redis.fill();
    await delay(forMs);
    await redis.empty();
  });
}
