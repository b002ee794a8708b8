/** The queue as the API uses it: one connection to Redis that fails fast, and all that works through it. */
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import type { Config } from '../config/config.ts';
import type { Mailbox } from '../core/mailbox/mailbox.ts';
import { type KeyGuard, makeKeyGuard } from '../core/submit/key-guard.ts';
import type { CountRequest } from '../core/submit/request-rate.ts';
import type { Logger } from '../observe/log.ts';
import { redisErrors } from '../observe/redis-report.ts';
import { openProducer, type Producer } from '../queue/accept/producer.ts';
import { type Backpressure, openBackpressure } from '../queue/accept/queue-limits.ts';
import { countRequest } from '../queue/accept/request-counter.ts';
import { takeGuestLease } from '../queue/limits/guest-lease.ts';
import { openThrottle, type Throttle, WINDOW_MS } from '../queue/limits/throttle.ts';
import { openWrongKeys } from '../queue/limits/wrong-keys.ts';
import { makeBodyCipher } from '../queue/records/body-cipher.ts';
import { openRecords, type Records } from '../queue/records/records.ts';
import { openRedis, type RedisClient, type RedisLocation } from '../queue/redis/client.ts';
import { withTimeout } from '../lib/async.ts';
import type { Keys } from '../queue/redis/keys.ts';

/** How long Redis may take for an answer before the API says that it is away. */
export const REDIS_DEADLINE_MS = 1_000;
const CONNECT_DEADLINE_MS = 5_000;

export interface ApiQueueOptions {
  readonly config: Config;
  readonly location: RedisLocation;
  readonly keys: Keys;
  readonly log: Logger;
  /** The window of the limit of messages a minute; shorter in tests. */
  readonly windowMs?: number;
}

export interface ApiQueue {
  readonly redis: RedisClient;
  readonly keys: Keys;
  readonly records: Records;
  readonly producer: Producer;
  readonly throttle: Throttle;
  readonly load: Backpressure;
  readonly guard: KeyGuard;
  readonly countRequest: CountRequest;
  /** For the doctor's connection, which is one of those that the mailbox may have. */
  takeGuestLease(mailbox: Mailbox): ReturnType<typeof takeGuestLease>;
  /** Waits for the connection, but not for a Redis that is away. */
  connected(): Promise<void>;
  ready(): Promise<{ readonly ok: boolean; readonly checks: { readonly redis: string } }>;
  close(): Promise<void>;
}

export function openApiQueue({ config, location, keys, log, windowMs = WINDOW_MS }: ApiQueueOptions): ApiQueue {
  const redis = openRedis(location, 'fail-fast', 'api');
  const onError = redisErrors(log);
  redis.on('error', onError);
  const cipher = makeBodyCipher(config.bodyKeys);
  const records = openRecords(redis, keys, config.retentionMs);
  const load = openBackpressure(redis, keys, config.queueLimits);
  const producer = openProducer({ redis, keys, records, cipher, load, windowMs, onError });
  return {
    redis,
    keys,
    records,
    producer,
    throttle: openThrottle({ redis, keys }),
    load,
    guard: makeKeyGuard(openWrongKeys(redis, keys)),
    countRequest: (client) => withTimeout(countRequest(redis, keys, client), REDIS_DEADLINE_MS),
    takeGuestLease: ({ id, limits: { connections } }) =>
      takeGuestLease({ redis, keys, guest: `doctor-${randomUUID()}`, mailbox: { id, connections }, onError }),
    connected: () => connected(redis),
    ready: () => readiness(redis),
    close: async () => {
      await producer.close();
      redis.disconnect();
    },
  };
}

async function connected(redis: RedisClient): Promise<void> {
  if (redis.status === 'ready') return;
  await once(redis, 'ready', { signal: AbortSignal.timeout(CONNECT_DEADLINE_MS) }).catch(() => undefined);
}

async function readiness(redis: RedisClient): ReturnType<ApiQueue['ready']> {
  try {
    await withTimeout(redis.ping(), REDIS_DEADLINE_MS);
    return { ok: true, checks: { redis: 'ok' } };
  } catch (error) {
    return { ok: false, checks: { redis: `Redis cannot be reached: ${(error as Error).message}` } };
  }
}
