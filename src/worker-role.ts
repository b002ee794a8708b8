/** The worker: takes messages from each mailbox's queue and hands them to Exchange, within the fleet's limits. */
import { randomUUID } from 'node:crypto';
import type { Config, MailboxConfig } from './config.ts';
import { createAttempt, type RunAttempt } from './core/attempt.ts';
import { openTokenSource } from './entra/tokens.ts';
import { mailEvents } from './events.ts';
import type { Logger } from './log.ts';
import { type Consumer, openConsumer } from './queue/consumer.ts';
import { openExpiry } from './queue/expiry.ts';
import { type Gate, makeGate } from './queue/gate.ts';
import { openGovernor } from './queue/governor.ts';
import type { Keys } from './queue/keys.ts';
import { openRecords } from './queue/records.ts';
import { openRedis, type RedisLocation } from './queue/redis.ts';
import { openSeats, type SeatedMailbox } from './queue/seats.ts';
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

/** What a worker has open for one mailbox. */
interface Station {
  readonly mailbox: MailboxConfig['mailbox'];
  readonly gate: Gate;
  readonly pool: Pool;
  readonly consumer: Consumer;
}

/** Opens a worker for these mailboxes. Waits for Redis, however long that takes. */
export async function openWorker({ config, mailboxes, location, keys, log }: WorkerOptions): Promise<WorkerRole> {
  const redis = openRedis(location, 'patient', 'worker');
  const onError = redisErrors(log);
  redis.on('error', onError);
  await reportRedis(redis, log);
  const records = openRecords(redis, keys, config.retentionMs);
  const governor = openGovernor({ redis, keys });
  const now = () => new Date();
  const events = { ...mailEvents(log), error: onError };
  const stations = mailboxes.map(({ mailbox, ...connection }): Station => {
    const pool = openPool({ host: connection.host, port: connection.port, login: loginOf({ mailbox, ...connection }) });
    const gate = makeGate();
    const line = { mailbox, gate, runAttempt: attempts(config, pool) };
    const consumer = openConsumer({ redis, keys, name: mailbox.id, lines: [line], governor, records, now, events });
    return { mailbox, gate, pool, consumer };
  });
  const seats = openSeats({ redis, keys, worker: randomUUID(), mailboxes: stations.map(seated), onError });
  const expiry = openExpiry({ records, governor, now, onExpired: events.concluded, onError });
  log.info({ mailboxes: mailboxes.map(({ mailbox }) => mailbox.id) }, 'worker ready');
  return {
    close: async () => {
      await Promise.all(stations.map((station) => closeStation(station, config.shutdownTimeoutMs)));
      await seats.close();
      await expiry.close();
      redis.disconnect();
    },
  };
}

/** What changes with the number of connections that this worker may have to a mailbox. */
function seated({ mailbox, gate, pool, consumer }: Station): SeatedMailbox {
  return {
    id: mailbox.id,
    connections: mailbox.limits.connections,
    open: () => Math.max(pool.connections, gate.taken),
    onSeats: (seats) => {
      gate.limit = seats;
      pool.setConnections(seats);
      consumer.setConcurrency(seats);
    },
  };
}

function attempts(config: Config, pool: Pool): RunAttempt {
  return createAttempt({
    compose,
    deliver: pool.deliver,
    policy: { delaysMs: config.retryDelaysMs, random: Math.random, unknown: 'retry' },
    now: () => new Date(),
  });
}

function loginOf({ mailbox, login }: MailboxConfig): Login {
  if (login.kind === 'password') return login;
  const tokens = openTokenSource(login.application);
  return { kind: 'oauth', user: mailbox.address, getToken: tokens.getToken };
}

/** The consumer first: a pool must not close under a message that is still to be sent. */
async function closeStation({ consumer, pool }: Station, timeoutMs: number): Promise<void> {
  const late = setTimeout(() => pool.close({ force: true }), timeoutMs);
  await consumer.close();
  clearTimeout(late);
  pool.close();
}
