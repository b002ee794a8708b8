/** What ioredis throws in an outage is known as one, and what a wrong command throws is not. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { isRedisAway } from '../../../src/queue/redis/away.ts';
import type { RedisClient } from '../../../src/queue/redis/client.ts';
import { withTimeout } from '../../../src/lib/async.ts';
import { connectTo, startTestRedis, type TestRedis } from '../../helpers/redis.ts';

let redis: TestRedis;
beforeAll(async () => {
  redis = await startTestRedis();
});
afterAll(() => redis.close());

/** What this command rejects with. */
async function errorOf(command: Promise<unknown>): Promise<unknown> {
  return command.then(
    () => undefined,
    (error: unknown) => error,
  );
}

async function connected(): Promise<RedisClient> {
  const client = connectTo(redis, 'fail-fast');
  await new Promise((resolve) => client.once('ready', resolve));
  return client;
}

describe('an outage', () => {
  test('is a client that has no connection yet, or none any more', async () => {
    const client = connectTo(redis, 'fail-fast');
    expect(isRedisAway(await errorOf(client.ping()))).toBe(true);
    client.disconnect();
    expect(isRedisAway(await errorOf(client.ping()))).toBe(true);
  });

  test('is a connection that ends before the answer', async () => {
    const client = await connected();
    const answer = errorOf(client.blpop('nothing', 0));
    const other = connectTo(redis);
    await other.call('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes');
    expect(isRedisAway(await answer)).toBe(true);
  });

  test('is an answer that does not come in time', async () => {
    const client = await connected();
    expect(isRedisAway(await errorOf(withTimeout(client.blpop('nothing', 0), 10)))).toBe(true);
  });

  test('is a Redis without memory', async () => {
    const client = await connected();
    await client.config('SET', 'maxmemory', '1');
    const error = await errorOf(client.set('a', 'b'));
    await client.config('SET', 'maxmemory', '0');
    expect(isRedisAway(error)).toBe(true);
  });
});

describe('a fault of ours', () => {
  test('is a command that Redis refuses', async () => {
    const client = await connected();
    await client.set('text', 'x');
    expect(isRedisAway(await errorOf(client.hgetall('text')))).toBe(false);
    expect(isRedisAway(await errorOf(client.eval('return nothing.there', 0)))).toBe(false);
  });

  test.each([[new TypeError('x is not a function')], [new Error('No such thing.')], ['text'], [undefined]])(
    'is %s',
    (error) => {
      expect(isRedisAway(error)).toBe(false);
    },
  );
});
