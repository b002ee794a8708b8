/** `npm run worker`: a worker alone, as many as wanted, beside APIs on the same Redis. */
import { enter } from './entry.ts';
import { makeKeys, NAMESPACE } from './queue/keys.ts';
import { openWorker } from './worker-role.ts';

await enter('worker', async (config, log, { stack, onReload }) => {
  if (!config.redis) return;
  const worker = await openWorker({ config, location: config.redis, keys: makeKeys(NAMESPACE), log });
  stack.defer(worker.close);
  onReload(worker.reload);
});
