/** Counts the requests of each API key in windows of a minute, over all APIs. */
import { MINUTE_MS } from '../../lib/units.ts';
import type { Keys } from '../redis/keys.ts';
import type { RedisClient } from '../redis/client.ts';

export interface RequestCount {
  /** In the window, this one included. */
  readonly count: number;
  /** Until the window ends. */
  readonly leftMs: number;
}

export const REQUEST_WINDOW_MS = MINUTE_MS;

/** Counts one more request; the window begins with the first one in it. */
export async function countRequest(redis: RedisClient, keys: Keys, client: string): Promise<RequestCount> {
  const key = keys.requests(client);
  const results = await redis.multi().incr(key).pexpire(key, REQUEST_WINDOW_MS, 'NX').pttl(key).exec();
  const [count, , leftMs] = results?.map(([error, value]) => (error ? Number.NaN : Number(value))) ?? [];
  if (count === undefined || Number.isNaN(count)) throw new Error('Redis did not count the request.');
  return { count, leftMs: leftMs !== undefined && leftMs > 0 ? leftMs : REQUEST_WINDOW_MS };
}
