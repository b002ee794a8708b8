/** `npm run worker`: a worker alone, as many as wanted, beside APIs on the same Redis. */
import { enter } from './app/entry.ts';
import { openMetrics } from './observe/metrics.ts';
import { openMetricsServer } from './observe/metrics-server.ts';
import { makeKeys, NAMESPACE } from './queue/redis/keys.ts';
import { openWorker } from './app/worker-role.ts';

await enter('worker', async (config, log, { stack, onReload, stopping }) => {
  if (!config.redis) return;
  const metrics = openMetrics({ withProcess: true });
  if (config.metricsPort !== undefined) {
    const server = await openMetricsServer(metrics, config.listen.host, config.metricsPort);
    stack.defer(server.close);
    log.info(`metrics at ${server.url}/metrics`);
  }
  const worker = await openWorker({
    config,
    location: config.redis,
    keys: makeKeys(NAMESPACE),
    log,
    metrics,
    stopping,
  });
  stack.defer(worker.close);
  onReload(worker.reload);
});
