/** Reads how a mailbox stands from the throttle's keys, for people and for the status of its messages. */
import type { Reason, Blocked, MailboxStatus, Usage } from '../../core/mailbox/status.ts';
import type { Keys } from '../redis/keys.ts';
import type { RedisClient } from '../redis/client.ts';

export async function readMailboxStatus(redis: RedisClient, keys: Keys, mailbox: string): Promise<MailboxStatus> {
  const now = Date.now();
  const [mailboxStatus, messagesPerMinute, underWay, recipients, seats] = await Promise.all([
    redis.hgetall(keys.mailboxStatus(mailbox)),
    redis.zcount(keys.sent(mailbox), `(${now}`, '+inf'),
    redis.hlen(keys.underWay(mailbox)),
    redis.hgetall(keys.recipients(mailbox)),
    redis.hvals(keys.seats(mailbox)),
  ]);
  const connections = seats.reduce((sum, lease) => sum + leasesOf(lease, now), 0);
  const usage: Usage = {
    connections,
    messagesPerMinute,
    recipientsPerDay: recipientsInADay(recipients, now),
    underWay,
  };
  return { ...backoffOf(mailboxStatus), usage };
}

/** A backoff stands until a message has shown that the mailbox works again, however long ago its time was over. */
function backoffOf(fields: Readonly<Record<string, string>>): Blocked {
  const { state, sinceMs, untilMs, reason, pausedMs } = fields;
  if (pausedMs) return { state: 'paused', since: new Date(Number(pausedMs)) };
  if (state !== 'held' && state !== 'throttled') return { state: 'open' };
  return {
    state,
    since: new Date(Number(sinceMs)),
    until: new Date(Number(untilMs)),
    ...(reason && { reason: JSON.parse(reason) as Reason }),
  };
}

function recipientsInADay(fields: Readonly<Record<string, string>>, now: number): number {
  const first = Math.floor(now / 60_000) - 1_440;
  return Object.entries(fields).reduce(
    (sum, [minute, count]) => (Number(minute) >= first ? sum + Number(count) : sum),
    0,
  );
}

function leasesOf(lease: string, now: number): number {
  const [count, expiry] = lease.split(':').map(Number);
  return (expiry ?? 0) > now ? (count ?? 0) : 0;
}
