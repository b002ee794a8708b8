/** The worker: takes messages from each mailbox's queue and hands them to Exchange. */
import type { Config, MailboxConfig } from './config.ts';
import { createAttempt, type RunAttempt } from './core/attempt.ts';
import { openTokenSource } from './entra/tokens.ts';
import { mailEvents } from './events.ts';
import type { Logger } from './log.ts';
import { type Consumer, openConsumer } from './queue/consumer.ts';
import type { Keys } from './queue/keys.ts';
import { openRecords } from './queue/records.ts';
import { openRedis, type RedisLocation } from './queue/redis.ts';
import { redisErrors, reportRedis } from './redis-report.ts';
import { compose } from './smtp/compose.ts';
import { type Login, openPool, type Pool } from './smtp/pool.ts';

export interface WorkerRole {
  /** Finishes the messages under way; those that take longer than the time that is left go back to the queue. */
  close(): Promise<void>;
}

export interface WorkerOptions {
  readonly config: Config;
  readonly mailboxes: readonly MailboxConfig[];
  readonly location: RedisLocation;
  readonly keys: Keys;
  readonly log: Logger;
}

/** How many connections a mailbox without a limit gets from one worker. */
const CONNECTIONS_UNLIMITED = 20;

/** Opens a worker for these mailboxes. Waits for Redis, however long that takes. */
export async function openWorker({ config, mailboxes, location, keys, log }: WorkerOptions): Promise<WorkerRole> {
  const redis = openRedis(location, 'patient', 'worker');
  const onError = redisErrors(log);
  redis.on('error', onError);
  await reportRedis(redis, log);
  const records = openRecords(redis, keys, config.retentionMs);
  const lines = mailboxes.map((mailbox) => {
    const pool = openPool(poolOptions(mailbox));
    const consumer = openConsumer({
      redis,
      keys,
      mailbox: mailbox.mailbox.id,
      concurrency: connectionsOf(mailbox),
      records,
      runAttempt: attempts(config, pool),
      now: () => new Date(),
      events: { ...mailEvents(log), error: onError },
    });
    return { pool, consumer };
  });
  log.info({ mailboxes: mailboxes.map(({ mailbox }) => mailbox.id) }, 'worker ready');
  return {
    close: async () => {
      await Promise.all(lines.map(({ consumer, pool }) => closeLine(consumer, pool, config.shutdownTimeoutMs)));
      redis.disconnect();
    },
  };
}

function attempts(config: Config, pool: Pool): RunAttempt {
  return createAttempt({
    compose,
    deliver: pool.deliver,
    policy: { delaysMs: config.retryDelaysMs, random: Math.random },
    now: () => new Date(),
  });
}

function poolOptions(mailbox: MailboxConfig): Parameters<typeof openPool>[0] {
  return { host: mailbox.host, port: mailbox.port, connections: connectionsOf(mailbox), login: loginOf(mailbox) };
}

function connectionsOf({ mailbox }: MailboxConfig): number {
  return mailbox.limits.connections || CONNECTIONS_UNLIMITED;
}

function loginOf({ mailbox, login }: MailboxConfig): Login {
  if (login.kind === 'password') return login;
  const tokens = openTokenSource(login.application);
  return { kind: 'oauth', user: mailbox.address, getToken: tokens.getToken };
}

/** The consumer first: a pool must not close under a message that is still to be sent. */
async function closeLine(consumer: Consumer, pool: Pool, timeoutMs: number): Promise<void> {
  const late = setTimeout(() => pool.close({ force: true }), timeoutMs);
  await consumer.close();
  clearTimeout(late);
  pool.close();
}
