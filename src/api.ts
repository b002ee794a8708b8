/** `npm run api`: the API alone, as many as wanted, beside workers on the same Redis. */
import { openApi } from './api-role.ts';
import { enter } from './entry.ts';
import { makeKeys, NAMESPACE } from './queue/keys.ts';

await enter('api', async (config, log, { stack }) => {
  if (!config.redis || !config.mailbox) return;
  const api = await openApi({
    config,
    mailboxes: [config.mailbox],
    location: config.redis,
    keys: makeKeys(NAMESPACE),
    log,
  });
  stack.defer(api.close);
  log.info(`API ready at ${api.url}, its documentation at ${api.url}/docs`);
});
