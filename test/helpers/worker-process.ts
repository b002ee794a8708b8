/** A worker as a process of its own, to be killed by tests; like src/worker.ts, with the namespace, the window and the timings given. */
import { enter } from '../../src/app/entry.ts';
import { openMetrics } from '../../src/observe/metrics.ts';
import { makeKeys } from '../../src/queue/redis/keys.ts';
import { openWorker } from '../../src/app/worker-role.ts';

await enter('worker', async (config, log, { stack }) => {
  const { TEST_NAMESPACE = '', TEST_WINDOW_MS, TEST_TIMINGS = '{}' } = process.env;
  if (!config.redis) return;
  const worker = await openWorker({
    metrics: openMetrics(),
    config,
    location: config.redis,
    keys: makeKeys(TEST_NAMESPACE),
    log,
    timings: JSON.parse(TEST_TIMINGS),
    ...(TEST_WINDOW_MS !== undefined && { windowMs: Number(TEST_WINDOW_MS) }),
  });
  stack.defer(worker.close);
});
