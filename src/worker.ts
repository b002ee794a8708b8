/** `npm run worker`: a worker only, as many as wanted, with APIs on the same Redis. */
import { enter } from './app/entry.ts';
import { openWorker, type WorkerRole } from './app/worker-role.ts';
import { openMetrics } from './observe/metrics.ts';
import { openWorkerServer } from './observe/worker-server.ts';
import { makeKeys, NAMESPACE } from './queue/redis/keys.ts';

await enter('worker', async (config, log, { stack, onReload, stopping }) => {
  if (!config.redis) return;
  const metrics = openMetrics({ withProcess: true });
  let worker: WorkerRole | undefined;
  if (config.metricsPort !== undefined) {
    const server = await openWorkerServer({
      host: config.listen.host,
      port: config.metricsPort,
      metrics,
      isReady: async () => (await worker?.isReady()) ?? false,
    });
    stack.defer(server.close);
    log.info(`metrics at ${server.url}/metrics`);
  }
  worker = await openWorker({
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
