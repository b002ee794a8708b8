/** What a retry writes to a record. */
import { expect, onTestFinished, vi } from 'vitest';
import { newState } from '../../../src/core/message/message.ts';
import { openProducer } from '../../../src/queue/accept/producer.ts';
import { makeBodyCipher } from '../../../src/queue/records/body-cipher.ts';
import { openRecords } from '../../../src/queue/records/records.ts';
import { MESSAGE } from '../../helpers/message.ts';
import { test } from '../../helpers/redis.ts';

test('a message is retried at the time that all processes know', async ({ client, keys }) => {
  const message = MESSAGE;
  const { id } = message;
  await client.hset(keys.record(id), { status: 'failed', acceptedAtMs: 1, client: 'app', bytes: 1 });
  await client.set(keys.body(id), 'x');
  const producer = openProducer({
    redis: client,
    keys,
    records: openRecords(client, keys, 60_000),
    cipher: makeBodyCipher([]),
    load: { admit: (_client, _wanted, work) => work(), waiting: () => Promise.reject(new Error('Not asked.')) },
    onError: () => undefined,
    windowMs: 60_000,
  });
  onTestFinished(() => producer.close());
  const before = Date.now();
  vi.useFakeTimers({ toFake: ['Date'], now: before + 300_000 });
  onTestFinished(() => void vi.useRealTimers());
  const state = { ...newState(message), status: 'failed' } as const;
  expect(await producer.retry({ message, state, jobId: id }, new Date(before + 600_000))).toMatchObject({
    state: { status: 'queued' },
  });
  const retriedAt = Number(await client.hget(keys.record(id), 'retriedAt'));
  expect(Math.abs(retriedAt - before)).toBeLessThan(60_000);
});
