/** A worker that died between the final dot and its reply: the mailbox's policy decides, as for a lost connection. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { makeKeys } from '../../../src/queue/redis/keys.ts';
import { connectTo, startTestRedis, type TestRedis } from '../../helpers/redis.ts';
import { isFinal, openTestService, type TestService } from '../../helpers/service.ts';

let redis: TestRedis;
beforeAll(async () => {
  redis = await startTestRedis();
});
afterAll(() => redis.close());

/** A message that a worker was sending when it died. */
async function leaveOpen(service: TestService, more: object = {}): Promise<string> {
  const id = await service.send();
  const at = Date.now();
  await connectTo(redis).hset(makeKeys(service.namespace).record(id), { openAt: at, openToken: 'dead', ...more });
  return id;
}

const withPolicy = (policy: string): Promise<TestService> =>
  openTestService({ location: redis.location, workers: 0, env: { M365_UNKNOWN_POLICY: policy } });

test('with the policy `hold` the message waits for a person, and is not sent again by itself', async () => {
  const service = await withPolicy('hold');
  const id = await leaveOpen(service, { finalDotAt: Date.now() });
  const other = await leaveOpen(service);
  await service.addWorker();
  await service.until(other, isFinal);
  const held = await service.until(id, ({ status }) => status !== 'queued' && status !== 'sending');
  expect(held).toMatchObject({ status: 'held', attempts: [{ outcome: 'unknown' }] });
  expect(held.attempts[0].explanation).toMatch(/worker died.*POST \/messages\/\{id\}\/retry/s);
  expect(service.sandbox.exchange.messages.map(({ messageId }) => messageId)).not.toContain(held.messageId);
  await service.request('POST', `/messages/${id}/retry`);
  expect(await service.until(id, isFinal)).toMatchObject({
    status: 'sent',
    attempts: [{ outcome: 'unknown' }, { outcome: 'sent' }],
  });
});

test('with the policy `retry` the message is sent again, and says so', async () => {
  const service = await withPolicy('retry');
  const id = await leaveOpen(service, { finalDotAt: Date.now() });
  await service.addWorker();
  const message = await service.until(id, isFinal);
  expect(message.attempts).toMatchObject([{ outcome: 'unknown' }, { outcome: 'sent' }]);
  expect(message.attempts[0].explanation).toContain('same Message-ID');
});
