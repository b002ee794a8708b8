/** `npm run worker`: a worker alone, as many as wanted, beside APIs on the same Redis. */
import { enter } from './entry.ts';
import { openMetrics } from './metrics.ts';
import { openMetricsServer } from './metrics-server.ts';
import { makeKeys, NAMESPACE } from './queue/keys.ts';
import { openWorker } from './worker-role.ts';

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
