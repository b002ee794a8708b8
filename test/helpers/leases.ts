/** Workers that share the connections of two mailboxes. */
import { onTestFinished } from 'vitest';
import { openLeases } from '../../src/queue/limits/leases.ts';
import type { RedisClient } from '../../src/queue/redis/client.ts';
import type { Keys } from '../../src/queue/redis/keys.ts';

export const MAILBOX = 'a@contoso.com';
export const OTHER = 'b@contoso.com';

/** A worker that has as many connections open as it may, to both mailboxes; tells how many. */
export function openWorker(
  client: RedisClient,
  keys: Keys,
  worker: string,
  limit: number,
): Readonly<Record<string, number>> {
  const open: Record<string, number> = { [MAILBOX]: 0, [OTHER]: 0 };
  const leased = (id: string) => ({
    id,
    connections: limit,
    open: () => open[id] ?? 0,
    onLeases: (connections: number) => {
      open[id] = connections;
    },
    onLost: () => {
      open[id] = 0;
    },
  });
  const mailboxes = () => [leased(MAILBOX), leased(OTHER)];
  const leases = openLeases({ redis: client, keys, worker, mailboxes, onError: () => undefined });
  onTestFinished(leases.close);
  return open;
}

export const until = async (isSo: () => boolean | Promise<boolean>): Promise<void> => {
  while (!(await isSo())) await new Promise((resolve) => setTimeout(resolve, 20));
};
