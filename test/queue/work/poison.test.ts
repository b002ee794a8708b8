/** A message that makes one worker after another die: only it fails, with the reason, and it does not come back. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { interruptedAttempt } from '../../../src/core/deliver/without-attempt.ts';
import { makeKeys } from '../../../src/queue/redis/keys.ts';
import { defineLua } from '../../../src/queue/redis/lua.ts';
import { WORK_SCRIPTS } from '../../../src/queue/work/scripts.ts';
import { connectTo, startTestRedis, type TestRedis } from '../../helpers/redis.ts';
import { isFinal, openTestService } from '../../helpers/service.ts';

let redis: TestRedis;
beforeAll(async () => {
  redis = await startTestRedis();
});
afterAll(() => redis.close());

test.each([
  [4, 'sent', /Exchange accepted the message/],
  [5, 'failed', /5 workers in a row died while they sent this message/],
])('a message over which %i workers in a row died is %s', async (deaths, status, explanation) => {
  const service = await openTestService({ location: redis.location, workers: 0 });
  const id = await service.send();
  const client = connectTo(redis);
  const { noteInterrupted } = defineLua(client, WORK_SCRIPTS);
  const record = makeKeys(service.namespace).record(id);
  for (let n = 0; n < deaths; n += 1) {
    const open = { startedAt: new Date(), finalDotMarked: false };
    const attempt = JSON.stringify(interruptedAttempt(open, new Date(), 'retry'));
    await noteInterrupted({ keys: { record }, args: { attempt } });
  }
  await service.addWorker();
  const message = await service.until(id, isFinal);
  expect([message.status, message.attempts.length]).toEqual([status, deaths + 1]);
  expect(message.attempts.at(-1).explanation).toMatch(explanation);
  expect((await service.until(await service.send(), isFinal)).status).toBe('sent');
  expect(service.sandbox.exchange.messages).toHaveLength(status === 'sent' ? 2 : 1);
});
