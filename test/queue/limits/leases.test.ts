/** The seats of a mailbox, shared by workers and visitors: never more than there are, and each gets its own. */
import { describe, expect, onTestFinished } from 'vitest';
import type { Keys } from '../../../src/queue/redis/keys.ts';
import type { RedisClient } from '../../../src/queue/redis/client.ts';
import { openLeases, takeGuestLease } from '../../../src/queue/limits/leases.ts';
import { test } from '../../helpers/redis.ts';

const MAILBOX = 'a@contoso.com';
const OTHER = 'b@contoso.com';

/** A worker that has as many connections open as it may, to both mailboxes; tells how many. */
function openWorker(client: RedisClient, keys: Keys, worker: string, limit: number): Readonly<Record<string, number>> {
  const open: Record<string, number> = { [MAILBOX]: 0, [OTHER]: 0 };
  const seated = (id: string) => ({
    id,
    connections: limit,
    open: () => open[id] ?? 0,
    onLeases: (seats: number) => {
      open[id] = seats;
    },
    onLost: () => {
      open[id] = 0;
    },
  });
  const mailboxes = () => [seated(MAILBOX), seated(OTHER)];
  const seats = openLeases({ redis: client, keys, worker, mailboxes, onError: () => undefined });
  onTestFinished(seats.close);
  return open;
}

const until = async (isSo: () => boolean | Promise<boolean>): Promise<void> => {
  while (!(await isSo())) await new Promise((resolve) => setTimeout(resolve, 20));
};

test('a worker gets its seats whatever somebody has written beside them', async ({ client, keys }) => {
  await client.hset(keys.leaseClock, 'shows', 'nonsense', 'atMs', '');
  await client.hset(keys.seats(MAILBOX), 'stranger', 'nonsense');
  const open = openWorker(client, keys, 'w', 3);
  await until(() => open[MAILBOX] === 3 && open[OTHER] === 3);
});

describe('a visitor', () => {
  test.for([
    [1, 1],
    [3, 8],
  ] as const)(
    'gets one of the connections (%i), whatever the workers (%i) have',
    async ([limit, count], { client, keys }) => {
      const workers = Array.from({ length: count }, (_, n) => openWorker(client, keys, `w${n}`, limit));
      const openTo = (id: string) => workers.reduce((sum, open) => sum + (open[id] ?? 0), 0);
      await until(() => openTo(MAILBOX) === limit && openTo(OTHER) === limit);
      const seat = await takeGuestLease({
        redis: client,
        keys,
        visitor: 'doctor-1',
        mailbox: { id: MAILBOX, connections: limit },
        onError: () => undefined,
      });
      expect(seat).toBeDefined();
      expect(openTo(MAILBOX)).toBeLessThanOrEqual(limit - 1);
      // It visits one mailbox and takes nothing from the others.
      expect(openTo(OTHER)).toBe(limit);
      await seat?.release();
      await until(() => openTo(MAILBOX) === limit);
    },
  );

  test('waits while another one has the only connection', async ({ client, keys }) => {
    const visit = (visitor: string) =>
      takeGuestLease({
        redis: client,
        keys,
        visitor,
        mailbox: { id: MAILBOX, connections: 1 },
        onError: () => undefined,
      });
    const first = await visit('doctor-1');
    const second = visit('doctor-2');
    expect(await Promise.race([second, client.ping()])).toBe('PONG');
    await first?.release();
    const seat = await second;
    expect(seat).toBeDefined();
    await seat?.release();
  });
});
