/** src/worker.ts with a shorter window for the limit of messages per minute: five windows take half a minute. */
import { enter } from '../src/app/entry.ts';
import { openMetrics } from '../src/observe/metrics.ts';
import { makeKeys, NAMESPACE } from '../src/queue/redis/keys.ts';
import { openWorker } from '../src/app/worker-role.ts';

await enter('worker', async (config, log, { stack }) => {
  if (!config.redis) return;
  const windowMs = Number(process.env['BENCH_WINDOW_MS']);
  const worker = await openWorker({
    metrics: openMetrics(),
    config,
    location: config.redis,
    keys: makeKeys(NAMESPACE),
    log,
    windowMs,
  });
  stack.defer(worker.close);
});
