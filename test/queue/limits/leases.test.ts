/** The connection leases of workers: what each may open, whatever is written in Redis. */
import { openWorker, MAILBOX, OTHER, until } from '../../helpers/leases.ts';
import { test } from '../../helpers/redis.ts';

test('a worker gets its leases, whatever else is written in Redis', async ({ client, keys }) => {
  await client.hset(keys.leaseClock, 'shows', 'nonsense', 'atMs', '');
  await client.hset(keys.leases(MAILBOX), 'stranger', 'nonsense');
  const open = openWorker(client, keys, 'w', 3);
  await until(() => open[MAILBOX] === 3 && open[OTHER] === 3);
});
