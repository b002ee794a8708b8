/** Redis away for longer than all leases: no worker could renew one, so none may lose one because of it. */
import { expect, onTestFinished, test } from 'vitest';
import { openLeases } from '../../../src/queue/limits/leases.ts';
import { untilTrue } from '../../helpers/eventually.ts';
import { connectTo, startTestRedis, testKeys } from '../../helpers/redis.ts';

/** A lease in Redis, and some more. */
const LEASE_MS = 13_000;

test('the workers have no more connections together than there are, when Redis comes back', async () => {
  const redis = await startTestRedis();
  onTestFinished(redis.close);
  const keys = testKeys();
  // Each has a connection that waits for Exchange's answer to a mail, and opens what else it may have.
  const workers = [0, 0, 0];
  let peak = 0;
  const openWorker = (_: number, n: number) => {
    const onLeases = (connections: number) => {
      workers[n] = connections;
      peak = Math.max(
        peak,
        workers.reduce((sum, open) => sum + Math.max(open, 1), 0),
      );
    };
    const mailbox = { id: 'a@contoso.com', connections: 3, open: () => 1, onLeases, onLost: () => onLeases(0) };
    const mailboxes = () => [mailbox];
    const leases = openLeases({ redis: connectTo(redis), keys, worker: `w${n}`, mailboxes, onError: () => undefined });
    onTestFinished(leases.close);
  };
  workers.forEach(openWorker);
  await untilTrue(() => workers.every((connections) => connections === 1));
  const info = await connectTo(redis).info('server');
  const pid = Number(/process_id:(\d+)/.exec(info)?.[1]);
  process.kill(pid, 'SIGSTOP');
  const frozenAt = performance.now();
  await untilTrue(() => workers.every((connections) => connections === 0) && performance.now() - frozenAt > LEASE_MS);
  peak = 0;
  process.kill(pid, 'SIGCONT');
  await untilTrue(() => workers.every((connections) => connections === 1));
  expect(peak).toBe(3);
}, 40_000);
