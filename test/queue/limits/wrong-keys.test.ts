/** Wrong keys are counted in Redis for all processes, and by each process for itself while Redis is away. */
import { once } from 'node:events';
import { expect, test } from 'vitest';
import { makeKeyGuard, WRONG_KEYS_MAX } from '../../../src/core/submit/key-guard.ts';
import { openWrongKeys } from '../../../src/queue/limits/wrong-keys.ts';
import { connectTo, startTestRedis, type TestRedis, testKeys } from '../../helpers/redis.ts';

const ADDRESS = '192.0.2.1';

/** A connection as an API has it. */
async function connected(redis: TestRedis) {
  const client = connectTo(redis, 'fail-fast');
  await once(client, 'ready');
  return client;
}

test('two processes share one count', async () => {
  const redis = await startTestRedis();
  const keys = testKeys();
  const [first, second] = [await connected(redis), await connected(redis)];
  const [one, other] = [first, second].map((client) => makeKeyGuard(openWrongKeys(client, keys)));
  for (let n = 0; n < WRONG_KEYS_MAX - 1; n += 1) await (n % 2 === 0 ? one : other)?.(ADDRESS, undefined);
  expect(await one?.(ADDRESS, undefined)).toEqual({ kind: 'wrong', isLast: true });
  expect(await other?.(ADDRESS, undefined)).toMatchObject({ kind: 'blocked' });
  expect(await other?.(ADDRESS, undefined)).toMatchObject({ kind: 'blocked' });
  expect(await other?.(ADDRESS, 'shop')).toMatchObject({ kind: 'blocked' });
  expect(await other?.('192.0.2.2', 'shop')).toEqual({ kind: 'right' });
  await redis.close();
});

test('the block ends with the minute that began with the first wrong key', async () => {
  const redis = await startTestRedis();
  const client = await connected(redis);
  const keys = testKeys();
  const wrongKeys = openWrongKeys(client, keys);
  for (let n = 0; n < WRONG_KEYS_MAX; n += 1) await wrongKeys.add(ADDRESS);
  const [key = ''] = await client.keys(`${keys.wrongKeys}*`);
  expect(await client.pttl(key)).toBeGreaterThan(50_000);
  await client.pexpire(key, 1);
  while ((await client.exists(key)) > 0);
  expect(await wrongKeys.count(ADDRESS)).toEqual({ wrong: 0, leftMs: 0 });
  await redis.close();
});

test('while Redis is away, right keys work and guesses are still limited', async () => {
  const redis = await startTestRedis();
  const client = await connected(redis);
  const guard = makeKeyGuard(openWrongKeys(client, testKeys()));
  await redis.stop();
  while (client.status === 'ready') await new Promise(setImmediate);
  expect(await guard('192.0.2.2', 'shop')).toEqual({ kind: 'right' });
  for (let n = 0; n < WRONG_KEYS_MAX; n += 1) await guard(ADDRESS, undefined);
  expect(await guard(ADDRESS, undefined)).toMatchObject({ kind: 'blocked' });
  await redis.close();
});
