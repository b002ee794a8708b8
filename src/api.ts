/** `npm run api`: the API only, as many as wanted, with workers on the same Redis. */
import { openApi } from './app/api-role.ts';
import { enter } from './app/entry.ts';
import { openMetrics } from './observe/metrics.ts';
import { makeKeys, NAMESPACE } from './queue/redis/keys.ts';

await enter('api', async (config, log, { stack, onReload }) => {
  if (!config.redis) return;
  const metrics = openMetrics({ withProcess: true });
  const api = await openApi({ config, location: config.redis, keys: makeKeys(NAMESPACE), log, metrics });
  stack.defer(api.close);
  onReload(api.reload);
  log.info(`API ready at ${api.url}, its documentation at ${api.url}/docs`);
});
