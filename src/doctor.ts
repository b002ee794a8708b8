/**
 * `npm run doctor [-- MAILBOX] [--json]`: says whether messages can be sent through Microsoft 365, why not, and what to do.
 * Exit code 0 when no step failed, else 1.
 */
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { parseArgs } from 'node:util';
import { diagnose, NO_LEASE_NEEDED, type TakeGuestLease } from './doctor/doctor.ts';
import { diagnosisText } from './doctor/text.ts';
import { ConfigError, readConfig } from './config/config.ts';
import type { MailboxConfig } from './config/mailbox-config.ts';
import { addressKey } from './core/message/address.ts';
import type { Diagnosis } from './core/admin/diagnosis.ts';
import { environment } from './app/entry.ts';
import { messageOf } from './lib/errors.ts';
import { makeKeys, NAMESPACE } from './queue/redis/keys.ts';
import { openRedis, type RedisClient, type RedisLocation } from './queue/redis/client.ts';
import { takeGuestLease } from './queue/limits/guest-lease.ts';

const REDIS_TIMEOUT_MS = 3_000;

const { values, positionals } = parseArgs({ options: { json: { type: 'boolean' } }, allowPositionals: true });
process.exitCode = 1;
try {
  await diagnoseAll();
} catch (error) {
  if (!(error instanceof ConfigError)) throw error;
  if (values.json) print({ ok: false, faults: error.faults, checkups: [] });
  else process.stderr.write(`${error.message}\n`);
}

async function diagnoseAll(): Promise<void> {
  const config = readConfig(environment(), 'doctor');
  const mailboxes = chosen(config.mailboxes);
  const redis = config.redis && (await reachRedis(config.redis));
  const diagnoses: Diagnosis[] = [];
  for (const mailbox of mailboxes) {
    const diagnosis = await diagnose(mailbox, guestLeaseOf(mailbox, redis), () => new Date());
    diagnoses.push(diagnosis);
    if (!values.json) process.stdout.write(diagnosisText(diagnosis, process.stdout));
  }
  redis?.disconnect();
  const ok = diagnoses.every((diagnosis) => diagnosis.ok);
  if (values.json) print({ ok, checkups: diagnoses });
  process.exitCode = ok ? 0 : 1;
}

function chosen(mailboxes: readonly MailboxConfig[]): readonly MailboxConfig[] {
  if (positionals.length === 0) return mailboxes;
  return positionals.map((address) => {
    const found = mailboxes.find(({ mailbox }) => mailbox.id === addressKey(address));
    if (found) return found;
    const known = mailboxes.map(({ mailbox }) => mailbox.address).join(', ');
    throw new ConfigError([{ where: address, message: `is not a mailbox of this configuration; known are ${known}` }]);
  });
}

function print(result: object): void {
  process.stdout.write(`${JSON.stringify(result, null, 2)}\n`);
}

/** Undefined when Redis does not answer: the doctor has to work when other things do not. */
async function reachRedis(location: RedisLocation): Promise<RedisClient | undefined> {
  const redis = openRedis(location, 'fail-fast', 'doctor');
  redis.on('error', () => undefined);
  try {
    await once(redis, 'ready', { signal: AbortSignal.timeout(REDIS_TIMEOUT_MS) });
    return redis;
  } catch (error) {
    redis.disconnect();
    process.stderr.write(`Redis does not answer (${messageOf(error)}): the doctor continues without it.\n`);
    return undefined;
  }
}

/** With Redis, the doctor's connection counts against the mailbox's limit. */
function guestLeaseOf({ mailbox }: MailboxConfig, redis: RedisClient | undefined): TakeGuestLease {
  if (!redis) return NO_LEASE_NEEDED;
  const { id, limits } = mailbox;
  return () =>
    takeGuestLease({
      redis,
      keys: makeKeys(NAMESPACE),
      guest: `doctor-${randomUUID()}`,
      mailbox: { id, connections: limits.connections },
      onError: () => undefined,
    });
}
