/** A Redis that is frozen, or cut off without a sign: its connection stays open, and no answer comes. */
import { expect, onTestFinished, test } from 'vitest';
import { connectTo, startTestRedis } from '../../helpers/redis.ts';
import { isFinal, openTestService } from '../../helpers/service.ts';

test('a frozen Redis is given up, requests get a 503 at once, and it is used again when it is back', {
  timeout: 120_000,
}, async () => {
  const redis = await startTestRedis();
  onTestFinished(() => redis.close());
  const service = await openTestService({ location: redis.location });
  const info = await connectTo(redis).info('server');
  const pid = Number(/^process_id:(\d+)/m.exec(info)?.[1]);
  const thaw = () => process.kill(pid, 'SIGCONT');
  onTestFinished(() => void thaw());
  process.kill(pid, 'SIGSTOP');
  const mail = { to: 'someone@example.com', subject: 'refused', text: 'x' };
  const requests: [string, string, unknown?][] = [
    ['POST', '/send', mail],
    ['GET', '/messages'],
    ['GET', '/messages/some-id'],
    ['GET', '/mailboxes'],
    ['GET', `/mailboxes/${service.sandbox.mailbox.address}`],
    ['POST', `/mailboxes/${service.sandbox.mailbox.address}/pause`],
    ['POST', `/mailboxes/${service.sandbox.mailbox.address}/resume`],
    ['POST', '/messages/retry', {}],
    ['GET', '/health/ready'],
  ];
  const answers = await Promise.all(requests.map((request) => service.request(...request)));
  expect(answers.map(({ status }) => status)).toEqual(requests.map(() => 503));
  // What it was asked is forgotten with the connection, and does not pile up.
  await expect.poll(() => service.log.some((line) => line.includes('Socket timeout')), { timeout: 60_000 }).toBe(true);
  expect((await service.request('POST', '/send', mail)).status).toBe(503);
  thaw();
  await expect.poll(async () => (await service.request('GET', '/health/ready')).status, { timeout: 20_000 }).toBe(200);
  const id = await service.send({ subject: 'accepted' });
  expect((await service.until(id, isFinal)).status).toBe('sent');
  expect(service.sandbox.exchange.messages.map(({ subject }) => subject)).toEqual(['accepted']);
});
