/** The worker: takes messages from the queues of mailboxes and pools, and hands them to Exchange within its limits. */
import { randomUUID } from 'node:crypto';
import type { Config, PoolConfig } from '../config/config.ts';
import { openCredentialWatch } from '../observe/credential-watch.ts';
import type { Directory } from '../core/mailbox/mailbox.ts';
import { notConfigured } from '../core/mailbox/status.ts';
import { directoryOf, mailboxStatusFor, throughOf } from './directory.ts';
import { type MessageEvents, messageEvents } from '../observe/message-events.ts';
import type { Logger } from '../observe/log.ts';
import type { Metrics } from '../observe/metrics.ts';
import { makeBodyCipher } from '../queue/records/body-cipher.ts';
import { type Attempts, openAttempts } from '../queue/work/attempts.ts';
import { type Consumer, openConsumer } from '../queue/work/consumer.ts';
import { openExpirer } from '../queue/upkeep/expirer.ts';
import { openPruner } from '../queue/upkeep/pruner.ts';
import { openThrottle, type Throttle } from '../queue/limits/throttle.ts';
import type { Keys } from '../queue/redis/keys.ts';
import { findOrphanedQueues } from '../queue/upkeep/orphaned-queues.ts';
import type { Route } from '../queue/work/routes.ts';
import { openRecords, type Records } from '../queue/records/records.ts';
import { openRedis, type RedisClient, type RedisLocation } from '../queue/redis/client.ts';
import { withTimeout } from '../lib/async.ts';
import { openRedisTime } from '../queue/redis/redis-time.ts';
import { type LeasedMailbox, openLeases, succeedOnlyWorker } from '../queue/limits/leases.ts';
import { openJobRescuer } from '../queue/upkeep/job-rescuer.ts';
import { redisErrors, reportRedis } from '../observe/redis-report.ts';
import { unlessStopped } from './run.ts';
import { openMailboxWorker, type Shared, type MailboxWorker } from './mailbox-workers.ts';

export interface WorkerRole {
  /** Applies another configuration: changed mailboxes are opened again, and held ones are tried at once. */
  reload(config: Config): Promise<void>;
  /** Whether Redis answers. */
  isReady(): Promise<boolean>;
  /** Finishes the messages in progress; those that take longer than the shutdown timeout go back to the queue. */
  close(): Promise<void>;
}

export interface WorkerOptions {
  readonly config: Config;
  readonly location: RedisLocation;
  readonly keys: Keys;
  readonly log: Logger;
  readonly metrics: Metrics;
  /** There is no other worker on this Redis, as with `npm start`. */
  readonly isOnly?: boolean;
  /** Ends the wait for Redis. */
  readonly stopping?: AbortSignal;
  /** The window of the limit of messages a minute, for tests that have no minute. */
  readonly windowMs?: number;
  /** For tests that cannot wait for the usual times. */
  readonly timings?: WorkerTimings;
}

export interface WorkerTimings {
  /** How often messages are expired and pruned, and lost jobs rescued. */
  readonly checkMs?: number;
  /** How long a dead worker keeps its job. */
  readonly lockMs?: number;
  /** How often jobs of dead workers are looked for. */
  readonly stalledCheckMs?: number;
}

const READY_TIMEOUT_MS = 1_000;

/** Opens a worker for the configuration's mailboxes. Waits for Redis, however long that takes. */
export async function openWorker(options: WorkerOptions): Promise<WorkerRole> {
  const stack = new AsyncDisposableStack();
  try {
    const queue = await openQueueSide(options, stack);
    return await openRole(options, queue, stack);
  } catch (error) {
    await stack.disposeAsync();
    throw error;
  }
}

/** What a worker has of the queues' side, apart from its mailboxes. */
interface QueueSide {
  readonly redis: RedisClient;
  /** Unique among all workers. */
  readonly worker: string;
  readonly throttle: Throttle;
  readonly records: Records;
  readonly attempts: Attempts;
  readonly now: () => Date;
  readonly onError: (error: Error) => void;
}

async function openQueueSide(options: WorkerOptions, stack: AsyncDisposableStack): Promise<QueueSide> {
  const { config, location, keys, log, windowMs, stopping = new AbortController().signal } = options;
  const redis = openRedis(location, 'patient', 'worker');
  stack.defer(() => redis.disconnect());
  const onError = redisErrors(log);
  redis.on('error', onError);
  await unlessStopped(reportRedis(redis, log), stopping);
  const worker = randomUUID();
  const mailboxes = config.mailboxes.map(({ mailbox }) => mailbox.id);
  if (options.isOnly) await succeedOnlyWorker(redis, keys, worker, mailboxes);
  const time = await openRedisTime(redis, onError);
  stack.defer(time.close);
  const { now } = time;
  const { retentionMs, bodyKeys } = config;
  const throttle = openThrottle({ redis, keys, worker, ...(windowMs !== undefined && { windowMs }) });
  const records = openRecords(redis, keys, retentionMs);
  const attempts = openAttempts({ redis, keys, throttle, cipher: makeBodyCipher(bodyKeys), retentionMs, now });
  return { redis, worker, throttle, records, attempts, now, onError };
}

/** Opened in this order, closed in reverse: the mailboxes finish their messages while leases and upkeep still run. */
async function openRole(
  { config, keys, log, metrics, timings }: WorkerOptions,
  queue: QueueSide,
  stack: AsyncDisposableStack,
): Promise<WorkerRole> {
  const { redis, worker, throttle, records, now, onError } = queue;
  const events = { ...messageEvents(log, metrics), error: onError };
  let directory = directoryOf(config);
  openUpkeep({ ...timings, ...queue, keys, events, directory: () => directory }, stack);
  const credentials = openCredentialWatch(config.mailboxes, log, metrics);
  const shared = { ...timings, redis, keys, throttle, attempts: queue.attempts, records, now, events };
  const workers = makeMailboxWorkers(
    { ...shared, retryDelaysMs: config.retryDelaysMs, onToken: metrics.token },
    config,
  );
  const leases = openLeases({ redis, keys, worker, mailboxes: workers.leased, onError });
  stack.defer(leases.close);
  stack.defer(() => workers.close(config.shutdownTimeoutMs));
  stack.defer(credentials.close);
  const announce = async (current: Config, words: string) => {
    const mailboxes = current.mailboxes.map(({ mailbox }) => mailbox.id);
    for (const { name, queue: depth } of await findOrphanedQueues(redis, keys, directory))
      log.warn({ mailbox: name, queue: depth }, notConfigured(name).reason?.explanation);
    metrics.begin(mailboxes);
    log.info({ mailboxes }, words);
  };
  await announce(config, 'worker ready');
  return {
    reload: async (changed) => {
      directory = directoryOf(changed);
      await workers.reload(changed, leases.leave);
      credentials.watch(changed.mailboxes);
      await announce(changed, 'configuration reloaded');
    },
    isReady: () =>
      withTimeout(redis.ping(), READY_TIMEOUT_MS).then(
        () => true,
        () => false,
      ),
    close: () => stack.disposeAsync(),
  };
}

interface UpkeepOptions extends QueueSide, Pick<WorkerTimings, 'checkMs'> {
  readonly keys: Keys;
  readonly events: MessageEvents;
  readonly directory: () => Directory;
}

/** What each worker does for all queues: it expires and prunes messages, and rescues lost jobs. */
function openUpkeep(options: UpkeepOptions, stack: AsyncDisposableStack): void {
  const { redis, keys, records, throttle, now, events, directory, onError } = options;
  const timings = options.checkMs === undefined ? {} : { checkMs: options.checkMs };
  const expirer = openExpirer({
    ...timings,
    records,
    mailboxStatusOf: ({ message, state }) =>
      mailboxStatusFor(message, throughOf(message, state, directory()), throttle.mailboxStatus),
    now,
    onExpired: events.completed,
    onUnreadable: events.unreadable,
    onError,
  });
  stack.defer(expirer.close);
  stack.defer(openPruner({ ...timings, redis, keys, now, onError }).close);
  const rescuer = openJobRescuer({ ...timings, redis, keys, records, now, onRepaired: events.jobRescued, onError });
  stack.defer(rescuer.close);
}

/** The mailbox workers of a worker, and the queues of the pools that they serve together. */
interface MailboxWorkers {
  /** What the leases are for. */
  leased(): readonly LeasedMailbox[];
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
    leased: () => [...mailboxWorkers.values()].map(({ leased }) => leased),
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
