/** A mailbox's status is read by the clocks that wrote it: Redis's, and the clock of the leases. */
import { describe, expect, onTestFinished, vi } from 'vitest';
import { EXCHANGE_LIMITS } from '../../../src/core/mailbox/mailbox.ts';
import { type Leases, openLeases } from '../../../src/queue/limits/leases.ts';
import { openThrottle } from '../../../src/queue/limits/throttle.ts';
import type { RedisClient } from '../../../src/queue/redis/client.ts';
import type { Keys } from '../../../src/queue/redis/keys.ts';
import { test } from '../../helpers/redis.ts';

const MAILBOX = { id: 'a@contoso.com', limits: EXCHANGE_LIMITS };
const MINUTE_MS = 60_000;

/** A worker with leases of all three connections, of which so many are open. */
async function openWorker(redis: RedisClient, keys: Keys, open: number): Promise<Leases> {
  const leased = Promise.withResolvers<void>();
  const onLeases = (connections: number) => {
    if (connections === 3) leased.resolve();
  };
  const mailboxes = () => [{ id: MAILBOX.id, connections: 3, open: () => open, onLeases, onLost: () => undefined }];
  const leases = openLeases({ redis, keys, worker: 'w', mailboxes, onError: leased.reject });
  onTestFinished(() => leases.close());
  await leased.promise;
  return leases;
}

describe('the connections of a mailbox', () => {
  test('are shown after Redis was away, when the clock of the leases is behind', async ({ client, keys }) => {
    const now = Date.now();
    await client.hset(keys.leaseClock, { shows: now - 45_000, atMs: now });
    await openWorker(client, keys, 3);
    const { usage } = await openThrottle({ redis: client, keys }).mailboxStatus(MAILBOX.id);
    expect(usage.connections).toBe(3);
  });

  test('are not shown any more when the last worker has died', async ({ client, keys }) => {
    await openWorker(client, keys, 3);
    const { shows, atMs } = await client.hgetall(keys.leaseClock);
    const pastMs = 13_000;
    await client.hset(keys.leaseClock, { shows: Number(shows) - pastMs, atMs: Number(atMs) - pastMs });
    await client.hset(keys.leases(MAILBOX.id), 'w', `3:${Number(shows) - 1_000}`);
    const { usage } = await openThrottle({ redis: client, keys }).mailboxStatus(MAILBOX.id);
    expect(usage.connections).toBe(0);
  });
});

describe('connections that workers may open, and have not opened yet', () => {
  test('are reserved, and not used', async ({ client, keys }) => {
    await openWorker(client, keys, 1);
    const { usage } = await openThrottle({ redis: client, keys }).mailboxStatus(MAILBOX.id);
    expect(usage).toMatchObject({ connections: 1, reservedConnections: 2 });
  });

  test('count as used by a worker of a version that does not say what it has open', async ({ client, keys }) => {
    const now = Date.now();
    await client.hset(keys.leaseClock, { shows: now, atMs: now });
    await client.hset(keys.leases(MAILBOX.id), { old: `2:${now + 12_000}`, 'visitor:doctor': `1:${now + 12_000}` });
    const { usage } = await openThrottle({ redis: client, keys }).mailboxStatus(MAILBOX.id);
    expect(usage).toMatchObject({ connections: 3, reservedConnections: 0 });
  });

  test('are given back with what was open', async ({ client, keys }) => {
    const leases = await openWorker(client, keys, 1);
    await leases.leave(MAILBOX.id);
    const { usage } = await openThrottle({ redis: client, keys }).mailboxStatus(MAILBOX.id);
    expect(usage).toMatchObject({ connections: 0, reservedConnections: 0 });
    expect(await client.exists(keys.openConnections(MAILBOX.id))).toBe(0);
  });
});

describe.for([-5 * MINUTE_MS, 5 * MINUTE_MS])('a process whose clock is wrong by %i ms', (wrongMs) => {
  const setClock = () => {
    vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + wrongMs });
    onTestFinished(() => void vi.useRealTimers());
  };

  test('sees what was sent in the last minute, and what the mailbox has room for', async ({ client, keys }) => {
    const throttle = openThrottle({ redis: client, keys });
    await throttle.apply(MAILBOX, 'm', { kind: 'took', recipients: 2, certain: true });
    await client.zadd(keys.sent(MAILBOX.id), Date.now() - 1, 'older');
    setClock();
    const { usage } = await throttle.mailboxStatus(MAILBOX.id);
    expect(usage).toMatchObject({ messagesPerMinute: 1, recipientsPerDay: 2 });
    expect(await throttle.room([MAILBOX])).toEqual([{ messages: EXCHANGE_LIMITS.messagesPerMinute - 1, works: true }]);
  });

  test('pauses a mailbox at the time that all others know', async ({ client, keys }) => {
    const before = Date.now();
    setClock();
    const throttle = openThrottle({ redis: client, keys });
    await throttle.pause(MAILBOX.id);
    const { state, since } = await throttle.mailboxStatus(MAILBOX.id);
    expect(state).toBe('paused');
    expect(Math.abs((since?.getTime() ?? 0) - before)).toBeLessThan(MINUTE_MS);
  });
});
