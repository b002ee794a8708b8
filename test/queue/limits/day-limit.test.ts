/** The limit of recipients in 24 hours. */
import { expect } from 'vitest';
import { EXCHANGE_LIMITS } from '../../../src/core/mailbox/mailbox.ts';
import { openThrottle } from '../../../src/queue/limits/throttle.ts';
import { makeAdmit } from '../../helpers/admit.ts';
import { test } from '../../helpers/redis.ts';
import { openTestService } from '../../helpers/service.ts';

const MINUTE_MS = 60_000;
const DAY_MS = 24 * 60 * MINUTE_MS;
const MAILBOX = { id: 'a@contoso.com', limits: { ...EXCHANGE_LIMITS, messagesPerMinute: 0, recipientsPerDay: 10 } };

test('the limit throttles the mailbox until enough recipients are a day old, and says when that is', async ({
  client,
  keys,
}) => {
  const throttle = openThrottle({ redis: client, keys, worker: 'w', random: () => 1 });
  const admit = makeAdmit(client, keys, throttle);
  const took = async (message: string, recipients: number): Promise<void> => {
    await admit(MAILBOX, message, recipients);
    await throttle.apply(MAILBOX, message, { kind: 'took', recipients, certain: true });
  };
  await took('m1', 6);
  // Six of them an hour ago.
  const minute = Math.floor(Date.now() / MINUTE_MS);
  const recipients = keys.recipients(MAILBOX.id);
  const { total } = await client.hgetall(recipients);
  await client.del(recipients);
  await client.hset(recipients, { total: total ?? 0, oldest: minute - 60, [minute - 60]: 6 });
  await took('m2', 4);
  expect((await throttle.mailboxStatus(MAILBOX.id)).usage.recipientsPerDay).toBe(10);
  expect(await admit(MAILBOX, 'm3', 3)).toMatchObject({ kind: 'wait', refusals: [{ reason: 'day' }] });
  const { state, until, reason } = await throttle.mailboxStatus(MAILBOX.id);
  expect([state, reason?.rule]).toEqual(['throttled', 'recipients-per-day']);
  const waitMs = (until?.getTime() ?? 0) - Date.now();
  expect(Math.round(waitMs / MINUTE_MS - (DAY_MS - 60 * MINUTE_MS) / MINUTE_MS)).toBeLessThanOrEqual(1);
});

test('a message with more recipients than a day allows is refused at once: it would block all others', async ({
  redis,
}) => {
  const service = await openTestService({
    location: redis.location,
    workers: 0,
    env: { M365_RECIPIENTS_PER_DAY: '3' },
  });
  const to = ['a', 'b', 'c', 'd'].map((name) => `${name}@example.com`);
  const { status, body } = await service.request('POST', '/send', { to, text: 'Hello.' });
  expect([status, body.errors]).toEqual([
    422,
    [{ field: 'to', message: 'The message has 4 recipients. Its mailbox is limited to 3 recipients in 24 hours.' }],
  ]);
  expect((await service.request('POST', '/send', { to: to.slice(1), text: 'Hello.' })).status).toBe(202);
});
