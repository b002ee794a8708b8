/** A mailbox that is resumed just before a worker stops its queue for a while. */
import { Queue } from 'bullmq';
import { expect, onTestFinished } from 'vitest';
import { EXCHANGE_LIMITS } from '../../../src/core/mailbox/mailbox.ts';
import { openConsumer } from '../../../src/queue/work/consumer.ts';
import { openThrottle } from '../../../src/queue/limits/throttle.ts';
import { JOB_OPTIONS } from '../../../src/queue/jobs/job.ts';
import { PRIORITIES } from '../../../src/queue/jobs/priorities.ts';
import { openRecords } from '../../../src/queue/records/records.ts';
import type { Attempts } from '../../../src/queue/work/attempts.ts';
import { openTestAttempts, testRoute } from '../../helpers/admit.ts';
import { test } from '../../helpers/redis.ts';

test('a resume is not lost when a worker stops the queue just after it', async ({ client, keys }) => {
  const mailbox = { id: 'a@contoso.com', address: 'a@contoso.com', limits: EXCHANGE_LIMITS };
  const throttle = openThrottle({ redis: client, keys, worker: 'w' });
  const queue = new Queue(mailbox.id, { connection: client, prefix: keys.prefix });
  onTestFinished(() => queue.close());
  await throttle.pause(mailbox.id);
  /** As when a person resumes the mailbox just after the worker has asked. */
  const attempts = openTestAttempts(client, keys, throttle);
  const claim: Attempts['claim'] = async (job, routes) => {
    const answer = await attempts.claim(job, routes);
    await throttle.resume(mailbox.id);
    await queue.removeRateLimitKey();
    return answer;
  };
  const worked = Promise.withResolvers<string>();
  const consumer = openConsumer({
    redis: client,
    keys,
    name: mailbox.id,
    routes: [testRoute(mailbox, 1)],
    attempts: { ...attempts, claim },
    throttle,
    records: openRecords(client, keys, 60_000),
    now: () => new Date(),
    events: {
      completed: () => undefined,
      interrupted: () => undefined,
      // There is no record: that the worker looks for it is enough.
      unreadable: worked.resolve,
      mailbox: () => undefined,
      error: worked.reject,
    },
  });
  onTestFinished(() => consumer.close());
  await client.zadd(keys.workers, Date.now() + 60_000, 'w');
  await queue.add('send', {}, { ...JOB_OPTIONS, priority: PRIORITIES.normal, jobId: 'm' });
  consumer.setConcurrency(1);
  expect(await worked.promise).toBe('m');
});
