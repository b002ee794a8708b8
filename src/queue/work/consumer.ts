/**
 * The working side of a queue: brings each message to an attempt and keeps what came of it. A worker may die at any
 * line: the record says how far the message was, and BullMQ gives the ticket to another worker.
 */
import { type Job, DelayedError, type JobJson, Queue, RateLimitError, Worker } from 'bullmq';
import type { Transition } from '../../core/deliver/conclusion.ts';
import type { Attempt, Message } from '../../core/message/message.ts';
import { CorruptRecordError } from '../records/codec.ts';
import type { Change, Throttle } from '../limits/throttle.ts';
import { FOREIGN_FIELDS, isCorrupt, repairJob, messageIdOf, recipientsOfJob, stickyKeyOf } from '../jobs/job.ts';
import type { Keys } from '../redis/keys.ts';
import { makeAging } from '../jobs/priorities.ts';
import { type Route, rankRoutes, admit, type Admission } from './routes.ts';
import type { Records } from '../records/records.ts';
import type { RedisClient } from '../redis/client.ts';
import { begin, work, type Worked } from './work.ts';

export interface ConsumerOptions {
  /** A patient connection; the caller closes it after the consumer. BullMQ opens a second one beside it. */
  readonly redis: RedisClient;
  readonly keys: Keys;
  /** The queue's name: a mailbox's or a pool's. */
  readonly name: string;
  /** The mailboxes that its messages may go through. */
  readonly lines: readonly [Route, ...Route[]];
  /** Of a pool: messages to one recipient keep to one mailbox. */
  readonly sticky?: boolean;
  readonly throttle: Throttle;
  readonly records: Records;
  readonly now: () => Date;
  readonly events: ConsumerEvents;
}

export interface ConsumerEvents {
  readonly completed: (message: Message, transition: Transition) => void;
  readonly interrupted: (message: Message, attempt: Attempt) => void;
  /** A ticket without a message, or a record that can't be read. */
  readonly unreadable: (id: string, reason: string) => void;
  /** A mailbox was held, slowed down, or opened again. */
  readonly mailbox: (mailbox: string, change: Change) => void;
  readonly error: (error: Error) => void;
}

export interface Consumer {
  /** Works on no more than so many messages at a time; with 0 it takes none. */
  setConcurrency(messages: number): void;
  /** Ends a wait for the mailbox, if there is one. */
  wake(): Promise<void>;
  /** Takes no more messages and waits for those under way. */
  close(): Promise<void>;
}

/**
 * A dead worker's lock ends after at most LOCK_MS. Each worker looks for such jobs every STALLED_CHECK_MS, but only the
 * first to come within that time does, so that it may be twice as long until one has looked: another worker takes the
 * message up after at most 23 s.
 */
const LOCK_MS = 15_000;
const STALLED_CHECK_MS = 4_000;
/** A job may be found stalled any number of times: the record counts interruptions, and BullMQ must not fail it. */
const STALLED_COUNT_MAX = 1_000_000;
/** How soon a worker sees that a blocked mailbox was resumed. */
const RESUME_CHECK_MS = 1_000;
/** BullMQ minds `Queue.rateLimit` only when it has a limit of its own: one that no queue ever reaches. */
const NO_LIMIT = { max: Number.MAX_SAFE_INTEGER, duration: 1_000 };

/** A message whose mailbox was found at fault comes back this soon, behind those of its lane. */
const END_OF_LANE_MS = 1_000;

interface Processing extends ConsumerOptions {
  readonly queue: Queue;
  readonly ageLowerPriorities: () => Promise<void>;
}

/**
 * BullMQ's throws at a ticket that can't be parsed, and comes upon it again and again when its lock has ended; and it
 * obeys a ticket, whoever has written what it says.
 */
class RepairingWorker extends Worker {
  readonly spoilt = new WeakSet<Job>();

  protected override createJob(json: JobJson, id: string): Job {
    const job = super.createJob(repairJob(json), id);
    if (isCorrupt(json)) this.spoilt.add(job);
    return job;
  }
}

/** Takes no messages until it is told how many at a time. */
export function openConsumer(options: ConsumerOptions): Consumer {
  const { redis, keys, events } = options;
  const queue = new Queue(options.name, { connection: redis, prefix: keys.prefix });
  const processing = { ...options, queue, ageLowerPriorities: makeAging(queue, redis) };
  const mendAndProcess = async (job: Job, token = '') => {
    // Or BullMQ would stumble at its end over what it has passed by so far.
    if (worker.spoilt.has(job)) await redis.hdel(queue.toKey(job.id ?? ''), ...FOREIGN_FIELDS);
    await processJob(job, token, processing);
  };
  const worker: RepairingWorker = new RepairingWorker(options.name, mendAndProcess, {
    connection: redis,
    prefix: keys.prefix,
    autorun: false,
    lockDuration: LOCK_MS,
    stalledInterval: STALLED_CHECK_MS,
    maxStalledCount: STALLED_COUNT_MAX,
    limiter: NO_LIMIT,
    maximumRateLimitDelay: RESUME_CHECK_MS,
    removeOnComplete: { count: 0 },
    removeOnFail: { count: 0 },
  });
  queue.on('error', events.error);
  worker.on('error', events.error);
  worker.on('failed', (_job, error) => events.error(error));
  return {
    setConcurrency: (messages) => setConcurrency(worker, messages, events.error),
    wake: async () => {
      await queue.removeRateLimitKey();
    },
    close: async () => {
      await worker.close();
      await queue.close();
    },
  };
}

function setConcurrency(worker: Worker, messages: number, onError: (error: Error) => void): void {
  if (worker.closing !== undefined) return;
  if (messages === 0) {
    worker.pause(true).catch(onError);
    return;
  }
  worker.concurrency = messages;
  if (!worker.isRunning() || worker.isPaused()) worker.resume().catch(onError);
}

async function processJob(job: Job, token: string, options: Processing): Promise<void> {
  const { throttle, events, lines } = options;
  const id = messageIdOf(job);
  const pinned = lines.length > 1 ? await options.records.pinnedTo(id) : undefined;
  const candidates = pinned === undefined ? lines : lines.filter(({ mailbox }) => mailbox.id === pinned);
  const ordered = await rankRoutes(candidates, throttle, options.sticky ? stickyKeyOf(job) : undefined);
  const recipients = recipientsOfJob(job);
  const turn = await admit(ordered, (line) => begin(id, token, recipients, line, options));
  if (turn.kind === 'wait') {
    for (const { mailbox, change } of turn.changes) events.mailbox(mailbox, change);
    // Another message to the pool may go through another mailbox: only this one waits.
    if (options.sticky || pinned !== undefined) return delay(job, token, turn.waitMs, options);
    return putBack(turn.waitMs, turn.blocked, options);
  }
  try {
    const worked = await workOrSettle(id, token, turn, options);
    if (worked) await setAside(job, token, worked, options);
  } finally {
    turn.line.semaphore.leave();
  }
}

/** Whatever goes wrong, the message is no longer under way: as one that is, it would hold up its mailbox. */
async function workOrSettle(
  id: string,
  token: string,
  { line, place, taken }: Extract<Admission, { readonly kind: 'go' }>,
  options: Processing,
): Promise<Worked | undefined> {
  const { throttle, events } = options;
  let worked: Worked | undefined;
  try {
    await options.ageLowerPriorities();
    worked = await work(id, token, line, taken, { ...options, place }).catch(reportUnreadable(id, events));
  } finally {
    if (!worked) await throttle.settle(line.mailbox, id, { kind: 'nothing' });
  }
  if (worked) events.mailbox(line.mailbox.id, worked.change);
  return worked;
}

/** The message keeps its place and has used up no attempt. */
async function putBack(waitMs: number, blocked: readonly string[], options: Processing): Promise<never> {
  await rest(waitMs, blocked, options);
  throw new RateLimitError();
}

/** No worker takes a message of this queue before the time is over, or one of the blocked mailboxes is resumed. */
async function rest(
  waitMs: number,
  blocked: readonly string[],
  { queue, throttle }: Pick<Processing, 'queue' | 'throttle'>,
): Promise<void> {
  await queue.rateLimit(waitMs);
  // Whoever resumes a mailbox lifts its backoff first and ends the rest then: if that came before the rest, it is seen here.
  const resumed = await Promise.all(blocked.map(async (mailbox) => !(await throttle.isBlocked(mailbox))));
  if (resumed.includes(true)) await queue.removeRateLimitKey();
}

/** Keeps the ticket of a message that is not over; one that is over, or waits for a person, needs no ticket. */
async function setAside(job: Job, token: string, { transition, change }: Worked, options: Processing): Promise<void> {
  const { lines } = options;
  if (transition.status === 'deferred') return delay(job, token, waitMsOf(transition, options), options);
  if (transition.status !== 'queued') return;
  // A pool goes on with its other mailboxes at once.
  if (change.kind === 'blocked' && lines.length === 1)
    await rest(Math.max(1, change.waitMs), [lines[0].mailbox.id], options);
  // To the end of its lane: the mailbox is tried with another message, in case it was this one's fault after all.
  return delay(job, token, END_OF_LANE_MS, options);
}

/** By the time that all workers share: BullMQ's own way would have the ticket wait by the clock of this machine. */
async function delay(job: Job, token: string, waitMs: number, { queue, now }: Processing): Promise<never> {
  await queue.backend.moveToDelayed(job.id ?? '', now().getTime(), waitMs, token, { skipAttempt: true });
  throw new DelayedError();
}

function waitMsOf({ nextAttemptAt }: Transition, { now }: Processing): number {
  return nextAttemptAt ? Math.max(0, nextAttemptAt.getTime() - now().getTime()) : 0;
}

function reportUnreadable(id: string, events: ConsumerEvents): (error: unknown) => undefined {
  return (error) => {
    if (!(error instanceof CorruptRecordError)) throw error;
    events.unreadable(id, error.message);
  };
}
