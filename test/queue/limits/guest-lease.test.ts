/** A guest's lease: one connection that the workers give up, and never one too many. */
import { describe, expect } from 'vitest';
import { takeGuestLease } from '../../../src/queue/limits/guest-lease.ts';
import { openWorker, MAILBOX, OTHER, until } from '../../helpers/leases.ts';
import { test } from '../../helpers/redis.ts';

describe('a guest', () => {
  test.for([
    [1, 1],
    [3, 8],
  ] as const)(
    'gets one of the connections (%i), whatever the workers (%i) have',
    async ([limit, count], { client, keys }) => {
      const workers = Array.from({ length: count }, (_, n) => openWorker(client, keys, `w${n}`, limit));
      const openTo = (id: string) => workers.reduce((sum, open) => sum + (open[id] ?? 0), 0);
      await until(() => openTo(MAILBOX) === limit && openTo(OTHER) === limit);
      const lease = await takeGuestLease({
        redis: client,
        keys,
        guest: 'doctor-1',
        mailbox: { id: MAILBOX, connections: limit },
        onError: () => undefined,
      });
      expect(lease).toBeDefined();
      expect(openTo(MAILBOX)).toBeLessThanOrEqual(limit - 1);
      // It has a connection to one mailbox, and takes none from the others.
      expect(openTo(OTHER)).toBe(limit);
      await lease?.release();
      await until(() => openTo(MAILBOX) === limit);
    },
  );

  test('waits while another guest has the only connection', async ({ client, keys }) => {
    const take = (guest: string) =>
      takeGuestLease({
        redis: client,
        keys,
        guest,
        mailbox: { id: MAILBOX, connections: 1 },
        onError: () => undefined,
      });
    const first = await take('doctor-1');
    const second = take('doctor-2');
    expect(await Promise.race([second, client.ping()])).toBe('PONG');
    await first?.release();
    const lease = await second;
    expect(lease).toBeDefined();
    await lease?.release();
  });
});
