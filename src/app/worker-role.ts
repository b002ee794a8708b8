/** The worker: takes messages from the queues of mailboxes and pools and hands them to Exchange, within the limits. */
import { randomUUID } from 'node:crypto';
import type { Config, PoolConfig } from '../config/config.ts';
import { openCredentialWatch } from '../observe/credential-watch.ts';
import { notConfigured } from '../core/mailbox/status.ts';
import { directoryOf, mailboxStatusFor, throughOf } from './directory.ts';
import { mailEvents } from '../observe/message-events.ts';
import type { Logger } from '../observe/log.ts';
import type { Metrics } from '../observe/metrics.ts';
import { makeBodyCipher } from '../queue/records/body-cipher.ts';
import { openAttempts } from '../queue/work/attempts.ts';
import { type Consumer, openConsumer } from '../queue/work/consumer.ts';
import { openExpirer } from '../queue/upkeep/expirer.ts';
import { openPruner } from '../queue/upkeep/pruner.ts';
import { openThrottle } from '../queue/limits/throttle.ts';
import type { Keys } from '../queue/redis/keys.ts';
import { findOrphanedQueues } from '../queue/upkeep/orphaned-queues.ts';
import type { Route } from '../queue/work/routes.ts';
import { openRecords } from '../queue/records/records.ts';
import { openRedis, type RedisLocation } from '../queue/redis/client.ts';
import { openRedisTime } from '../queue/redis/redis-time.ts';
import { openLeases, succeedOnlyWorker } from '../queue/limits/leases.ts';
import { openJobRescuer } from '../queue/upkeep/job-rescuer.ts';
import { redisErrors, reportRedis } from '../observe/redis-report.ts';
import { unlessStopped } from './run.ts';
import { openMailboxWorker, type Shared, type MailboxWorker } from './mailbox-workers.ts';

export interface WorkerRole {
  /** Takes over another configuration: mailboxes that have changed are opened anew, and held ones tried at once. */
  reload(config: Config): Promise<void>;
  /** Finishes the messages under way; those that take longer than the time that is left go back to the queue. */
  close(): Promise<void>;
}

export interface WorkerOptions {
  readonly config: Config;
  readonly location: RedisLocation;
  readonly keys: Keys;
  readonly log: Logger;
  readonly metrics: Metrics;
  /** There is no other worker beside it, as with `npm start`. */
  readonly isOnly?: boolean;
  /** Ends the wait for Redis. */
  readonly stopping?: AbortSignal;
  /** The window of the limit of messages a minute, for tests that have no minute. */
  readonly windowMs?: number;
}

/** Opens a worker for the configuration's mailboxes. Waits for Redis, however long that takes. */
export async function openWorker({
  config,
  location,
  keys,
  log,
  metrics,
  isOnly = false,
  stopping = new AbortController().signal,
  windowMs,
}: WorkerOptions): Promise<WorkerRole> {
  const redis = openRedis(location, 'patient', 'worker');
  const onError = redisErrors(log);
  redis.on('error', onError);
  await unlessStopped(reportRedis(redis, log), stopping).catch((error) => {
    redis.disconnect();
    throw error;
  });
  const records = openRecords(redis, keys, config.retentionMs);
  const worker = randomUUID();
  if (isOnly)
    await succeedOnlyWorker(
      redis,
      keys,
      worker,
      config.mailboxes.map(({ mailbox }) => mailbox.id),
    );
  const throttle = openThrottle({ redis, keys, worker, ...(windowMs !== undefined && { windowMs }) });
  const events = { ...mailEvents(log, metrics), error: onError };
  const time = await openRedisTime(redis, onError);
  const { now } = time;
  const { retentionMs } = config;
  const attempts = openAttempts({ redis, keys, throttle, cipher: makeBodyCipher(config.bodyKeys), retentionMs, now });
  let directory = directoryOf(config);
  const workers = makeMailboxWorkers(
    {
      redis,
      keys,
      throttle,
      attempts,
      records,
      now,
      events,
      retryDelaysMs: config.retryDelaysMs,
      onToken: metrics.token,
    },
    config,
  );
  const leases = openLeases({
    redis,
    keys,
    worker,
    mailboxes: () => workers.mailboxWorkers().map(({ leased }) => leased),
    onError,
  });
  const expirer = openExpirer({
    records,
    mailboxStatusOf: ({ message, state }) =>
      mailboxStatusFor(message, throughOf(message, state, directory), throttle.mailboxStatus),
    now,
    onExpired: events.completed,
    onUnreadable: events.unreadable,
    onError,
  });
  const pruner = openPruner({ redis, keys, now, onError });
  const jobRescuer = openJobRescuer({ redis, keys, records, now, onRepaired: events.repaired, onError });
  const credentials = openCredentialWatch(config.mailboxes, log, metrics);
  const warnOfLeftBehind = async () => {
    for (const { name, queue } of await findOrphanedQueues(redis, keys, directory))
      log.warn({ mailbox: name, queue }, notConfigured(name).reason?.explanation);
  };
  await warnOfLeftBehind();
  metrics.begin(config.mailboxes.map(({ mailbox }) => mailbox.id));
  log.info({ mailboxes: config.mailboxes.map(({ mailbox }) => mailbox.id) }, 'worker ready');
  return {
    reload: async (changed) => {
      directory = directoryOf(changed);
      await workers.reload(changed, leases.leave);
      credentials.watch(changed.mailboxes);
      metrics.begin(changed.mailboxes.map(({ mailbox }) => mailbox.id));
      log.info({ mailboxes: changed.mailboxes.map(({ mailbox }) => mailbox.id) }, 'configuration taken over');
      await warnOfLeftBehind();
    },
    close: async () => {
      credentials.close();
      await workers.close(config.shutdownTimeoutMs);
      await leases.close();
      await expirer.close();
      await pruner.close();
      await jobRescuer.close();
      await time.close();
      redis.disconnect();
    },
  };
}

/** All mailboxWorkers of a worker, and the queues of the pools that they serve together. */
interface MailboxWorkers {
  mailboxWorkers(): readonly MailboxWorker[];
  reload(config: Config, onClosed: (mailbox: string) => Promise<void>): Promise<void>;
  close(timeoutMs: number): Promise<void>;
}

function makeMailboxWorkers(common: Omit<Shared, 'onLeases'>, config: Config): MailboxWorkers {
  const mailboxWorkers = new Map<string, MailboxWorker>();
  let pools: readonly PoolQueue[] = [];
  const onLeases = () => {
    for (const { consumer, routes } of pools)
      consumer.setConcurrency(routes.reduce((sum, { semaphore }) => sum + semaphore.limit, 0));
  };
  const shared = { ...common, onLeases };
  const open = (next: Config) => {
    for (const mailbox of next.mailboxes) {
      const { id } = mailbox.mailbox;
      if (!mailboxWorkers.has(id)) mailboxWorkers.set(id, openMailboxWorker(mailbox, shared));
    }
    const missing = next.pools.filter(({ name }) => !pools.some(({ pool }) => pool.name === name));
    pools = [...pools, ...missing.map((pool) => openPoolQueue(pool, mailboxWorkers, common))];
  };
  open(config);
  return {
    mailboxWorkers: () => [...mailboxWorkers.values()],
    reload: async (next, onClosed) => {
      const outdated = [...mailboxWorkers.values()].filter((mailboxWorker) => !isSame(mailboxWorker, next));
      const outdatedPools = pools.filter((pool) => !isSamePool(pool, next, outdated));
      await Promise.all([
        ...outdatedPools.map(({ consumer }) => consumer.close()),
        ...outdated.map((one) => one.close(config.shutdownTimeoutMs)),
      ]);
      pools = pools.filter((pool) => !outdatedPools.includes(pool));
      for (const { route } of outdated) {
        mailboxWorkers.delete(route.mailbox.id);
        await onClosed(route.mailbox.id);
      }
      open(next);
      await Promise.all(
        [...mailboxWorkers.values(), ...pools.map(({ consumer }) => consumer)].map((one) => one.wake()),
      );
      onLeases();
    },
    close: async (timeoutMs) => {
      const consumers = pools.map(({ consumer }) => consumer.close());
      await Promise.all([
        ...consumers,
        ...[...mailboxWorkers.values()].map((mailboxWorker) => mailboxWorker.close(timeoutMs)),
      ]);
    },
  };
}

function isSame({ config }: MailboxWorker, { mailboxes }: Config): boolean {
  const next = mailboxes.find(({ mailbox }) => mailbox.id === config.mailbox.id);
  return JSON.stringify(next) === JSON.stringify(config);
}

/** The queue of a pool, and the ways that its messages may take. */
interface PoolQueue {
  readonly pool: PoolConfig;
  readonly consumer: Consumer;
  readonly routes: readonly Route[];
}

function isSamePool({ pool, routes }: PoolQueue, { pools }: Config, outdated: readonly MailboxWorker[]): boolean {
  const next = pools.find(({ name }) => name === pool.name);
  return JSON.stringify(next) === JSON.stringify(pool) && !outdated.some(({ route }) => routes.includes(route));
}

function openPoolQueue(
  pool: PoolConfig,
  mailboxWorkers: ReadonlyMap<string, MailboxWorker>,
  common: Omit<Shared, 'onLeases'>,
): PoolQueue {
  const { name, mailboxes, stickyBy } = pool;
  const routes = mailboxes.flatMap((id) => mailboxWorkers.get(id)?.route ?? []);
  const [first, ...others] = routes;
  if (!first) throw new Error(`The pool ${name} has no mailbox.`);
  const consumer = openConsumer({ ...common, name, routes: [first, ...others], sticky: stickyBy === 'recipient' });
  return { pool, consumer, routes };
}
