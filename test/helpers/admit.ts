/** Admits messages as a worker does when it takes them up, whether there are records of them or not. */
import { makeBodyCipher } from '../../src/queue/records/body-cipher.ts';
import type { LimitedMailbox, Throttle, Wait } from '../../src/queue/limits/throttle.ts';
import type { Keys } from '../../src/queue/redis/keys.ts';
import { openRecords } from '../../src/queue/records/records.ts';
import type { RedisClient } from '../../src/queue/redis/client.ts';
import { begin } from '../../src/queue/work/work.ts';

const RETENTION_MS = 60_000;

export type Admit = (mailbox: LimitedMailbox, message: string, recipients: number) => Promise<'admitted' | Wait>;

export function makeAdmit(redis: RedisClient, keys: Keys, throttle: Throttle): Admit {
  const records = openRecords(redis, keys, RETENTION_MS, makeBodyCipher([]));
  const dependencies = { records, throttle, now: () => new Date() };
  return async (mailbox, message, recipients) => {
    const line = { mailbox: { ...mailbox, address: mailbox.id } };
    const beginning = await begin(message, 'token', recipients, line, dependencies);
    return beginning.kind === 'wait' ? beginning : 'admitted';
  };
}
