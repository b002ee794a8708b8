/** Whether mails go out when relay365 said that they would. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { startTestRedis, type TestRedis } from '../helpers/redis.ts';
import { openTestService } from '../helpers/service.ts';

let redis: TestRedis;
beforeAll(async () => {
  redis = await startTestRedis();
});
afterAll(() => redis.close());

/** A minute of this test. What a machine loses between two windows is as long whatever they are, so not too short. */
const WINDOW_MS = 5_000;

test('estimatedAt is right within a tenth in a run of hundreds, for each priority', async () => {
  const service = await openTestService({
    location: redis.location,
    windowMs: WINDOW_MS,
    sandbox: { limits: { messageRateWindowMs: WINDOW_MS } },
  });
  const mails = Array.from({ length: 180 }, (_, n) => ({ priority: n < 150 ? 'normal' : 'low' }));
  const answers = [];
  for (const mail of mails) {
    const { body } = await service.request('POST', '/send', { to: 'a@example.com', text: 'Hello.', ...mail });
    answers.push(body);
  }
  const { exchange } = service.sandbox;
  await exchange.waitFor(({ messages }) => messages.length === mails.length);
  const sentAt = new Map(exchange.messages.map(({ messageId, at }) => [messageId, at.getTime()]));
  for (const priority of ['low', 'normal']) {
    const errors = answers
      .filter((_, n) => mails[n]?.priority === priority)
      .map(({ messageId, acceptedAt, estimatedAt }) => {
        const waitedMs = (sentAt.get(messageId) ?? 0) - Date.parse(acceptedAt);
        return { waitedMs, errorMs: Date.parse(acceptedAt) + waitedMs - Date.parse(estimatedAt) };
      })
      // Of those that go out at once there is nothing to estimate.
      .filter(({ waitedMs }) => waitedMs > WINDOW_MS)
      .map(({ waitedMs, errorMs }) => Math.abs(errorMs) / waitedMs)
      .sort((a, b) => a - b);
    const median = errors[Math.floor(errors.length / 2)] ?? 1;
    expect([priority, median < 0.1, median]).toEqual([priority, true, median]);
  }
}, 60_000);
