/**
 * The working side of a queue: claims the message of each job, makes an attempt and stores what came of it. A worker may
 * die at any line: the record says how far the message was, and BullMQ gives the job to another worker.
 */
import { DelayedError, type Job, type JobJson, Queue, RateLimitError, Worker } from 'bullmq';
import type { Transition } from '../../core/deliver/transition.ts';
import { holdInterrupted, interruptedAttempt } from '../../core/deliver/without-attempt.ts';
import type { Attempt, Message } from '../../core/message/message.ts';
import { messageIdOf, recipientsOfJob, stickyKeyOf } from '../jobs/job.ts';
import { FOREIGN_FIELDS, isCorrupt, repairJob } from '../jobs/job-repair.ts';
import { makeAging } from '../jobs/priorities.ts';
import type { MailboxChange, Throttle } from '../limits/throttle.ts';
import type { Records } from '../records/records.ts';
import type { RedisClient } from '../redis/client.ts';
import type { Keys } from '../redis/keys.ts';
import type { Attempts } from './attempts.ts';
import type { Claim, Wait } from './claim.ts';
import { rankRoutes, type Route } from './routes.ts';

export interface ConsumerOptions {
  /** A patient connection; the caller closes it after the consumer. BullMQ opens a second one for itself. */
  readonly redis: RedisClient;
  readonly keys: Keys;
  /** The queue's name: a mailbox's or a pool's. */
  readonly name: string;
  /** One for each mailbox that its messages may go through. */
  readonly routes: readonly [Route, ...Route[]];
  /** Of a pool: messages to one recipient keep to one mailbox. */
  readonly sticky?: boolean;
  readonly attempts: Attempts;
  readonly throttle: Pick<Throttle, 'isBlocked' | 'room'>;
  readonly records: Pick<Records, 'pinnedTo'>;
  readonly now: () => Date;
  readonly events: ConsumerEvents;
  readonly lockMs?: number;
  readonly stalledCheckMs?: number;
}

export interface ConsumerEvents {
  readonly completed: (message: Message, transition: Transition) => void;
  readonly interrupted: (message: Message, attempt: Attempt) => void;
  /** A job without a message, or a record that cannot be read. */
  readonly unreadable: (id: string, reason: string) => void;
  /** A mailbox was held, throttled, or opened again. */
  readonly mailbox: (mailbox: string, change: MailboxChange) => void;
  readonly error: (error: Error) => void;
}

export interface Consumer {
  /** Works on no more than this many messages at a time; with 0 it takes none. */
  setConcurrency(messages: number): void;
  /** Ends a wait for the mailbox, if there is one. */
  wake(): Promise<void>;
  /** Takes no more messages and waits for those in progress. */
  close(): Promise<void>;
}

/**
 * A dead worker's lock ends after at most LOCK_MS. Each worker looks for such jobs every STALLED_CHECK_MS, but only the
 * first to come within that time does, so that it may be twice as long until one has looked: another worker takes the
 * message after at most 23 s.
 */
const LOCK_MS = 15_000;
const STALLED_CHECK_MS = 4_000;
/** A job may be found stalled any number of times: the record counts interruptions, and BullMQ must not fail it. */
const STALLED_COUNT_MAX = 1_000_000;
/** How soon a worker sees that a blocked mailbox was resumed. */
const RESUME_CHECK_MS = 1_000;
/** BullMQ obeys `Queue.rateLimit` only when it has a limit of its own: one that no queue ever reaches. */
const NO_LIMIT = { max: Number.MAX_SAFE_INTEGER, duration: 1_000 };

/** A message whose mailbox was found at fault comes back this soon, behind the others of its priority. */
const END_OF_PRIORITY_MS = 1_000;

interface Processing extends ConsumerOptions {
  readonly queue: Queue;
  readonly ageLowerPriorities: () => Promise<void>;
}

/**
 * BullMQ's Worker throws on a job that cannot be parsed and fetches it again for ever, and it trusts whatever the job
 * says. This one repairs the job first.
 */
class RepairingWorker extends Worker {
  readonly corrupt = new WeakSet<Job>();

  protected override createJob(json: JobJson, id: string): Job {
    const job = super.createJob(repairJob(json), id);
    if (isCorrupt(json)) this.corrupt.add(job);
    return job;
  }
}

/** Takes no messages until `setConcurrency` says how many at a time. */
export function openConsumer(options: ConsumerOptions): Consumer {
  const { redis, keys, events, lockMs = LOCK_MS, stalledCheckMs = STALLED_CHECK_MS } = options;
  const queue = new Queue(options.name, { connection: redis, prefix: keys.prefix });
  const processing = { ...options, queue, ageLowerPriorities: makeAging(queue, redis) };
  const repairAndProcess = async (job: Job, token = '') => {
    // Or BullMQ would stumble at the job's end over the fields that the repair left out.
    if (worker.corrupt.has(job)) await redis.hdel(queue.toKey(job.id ?? ''), ...FOREIGN_FIELDS);
    await processJob(job, token, processing);
  };
  const worker: RepairingWorker = new RepairingWorker(options.name, repairAndProcess, {
    connection: redis,
    prefix: keys.prefix,
    autorun: false,
    lockDuration: lockMs,
    stalledInterval: stalledCheckMs,
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
  const { attempts, events } = options;
  const id = messageIdOf(job);
  const { routes, isPinned } = await routesOf(job, id, options);
  const claim = await attempts.claim({ id, token, recipients: recipientsOfJob(job) }, routes);
  switch (claim.kind) {
    case 'over':
      return;
    case 'unreadable':
      return events.unreadable(id, claim.problem);
    case 'wait':
      return postpone(job, token, claim, { ...options, isPinned });
    case 'claimed':
      try {
        await options.ageLowerPriorities();
        await reschedule(job, token, await send(claim, options), options);
      } finally {
        await attempts.release(claim);
      }
  }
}

/** The routes that the message may take, best first. */
async function routesOf(job: Job, id: string, { routes, records, throttle, sticky }: Processing) {
  const pinned = routes.length > 1 ? await records.pinnedTo(id) : undefined;
  const usable = pinned === undefined ? routes : routes.filter(({ mailbox }) => mailbox.id === pinned);
  return {
    routes: await rankRoutes(usable, throttle, sticky ? stickyKeyOf(job) : undefined),
    isPinned: pinned !== undefined,
  };
}

/** What came of an attempt, and what it changed for its mailbox. */
interface Sent {
  readonly transition: Transition;
  readonly change: MailboxChange;
}

/** Makes the attempt, and stores what came of it. */
async function send(claim: Claim, options: Processing): Promise<Sent> {
  const { attempts, events } = options;
  const transition = await attempt(claim, options);
  const change = await attempts.complete(claim, transition);
  events.completed(claim.message, transition);
  events.mailbox(claim.route.mailbox.id, change);
  return { transition, change };
}

async function attempt(claim: Claim, { attempts, events, now }: Processing): Promise<Transition> {
  const { route, message, state, openAttempt } = claim;
  if (!openAttempt) return runAttempt(claim, attempts);
  const interrupted = interruptedAttempt(openAttempt, now(), route.unknown);
  events.interrupted(message, interrupted);
  if (interrupted.outcome === 'unknown' && route.unknown === 'hold') return holdInterrupted(state, interrupted);
  return runAttempt(await attempts.recordInterrupted(claim, interrupted), attempts);
}

function runAttempt(claim: Claim, attempts: Attempts): Promise<Transition> {
  const { route, message, state, content, slot } = claim;
  return route.runAttempt({
    message,
    state,
    content,
    markFinalDot: () => attempts.markFinalDot(claim),
    signal: slot,
  });
}

/** Nothing may send the message now: it waits, and has used up no attempt. */
async function postpone(
  job: Job,
  token: string,
  { waitMs, refusals }: Wait,
  options: Processing & { readonly isPinned: boolean },
): Promise<never> {
  for (const { mailbox, change } of refusals) if (change) options.events.mailbox(mailbox, change);
  // Another message to the pool may go through another mailbox: only this one waits.
  if (options.sticky || options.isPinned) return delay(job, token, waitMs, options);
  const blocked = refusals.filter(({ reason }) => reason !== 'rate' && reason !== 'recovering');
  await rest(
    waitMs,
    blocked.map(({ mailbox }) => mailbox),
    options,
  );
  throw new RateLimitError();
}

/** No worker takes a message of this queue before the time is over, or one of the blocked mailboxes is resumed. */
async function rest(waitMs: number, blocked: readonly string[], { queue, throttle }: Processing): Promise<void> {
  await queue.rateLimit(waitMs);
  // A resume opens the mailbox first and ends the rest then. When it came before the rest, it is seen here.
  const resumed = await Promise.all(blocked.map(async (mailbox) => !(await throttle.isBlocked(mailbox))));
  if (resumed.includes(true)) await queue.removeRateLimitKey();
}

/** Keeps the job of a message that is not over. A message that is over, or waits for a person, needs no job. */
async function reschedule(job: Job, token: string, { transition, change }: Sent, options: Processing): Promise<void> {
  const { routes } = options;
  if (transition.status === 'deferred') return delay(job, token, waitMsOf(transition, options), options);
  if (transition.status !== 'queued') return;
  // A pool goes on with its other mailboxes at once.
  if (change.kind === 'blocked' && routes.length === 1)
    await rest(Math.max(1, change.waitMs), [routes[0].mailbox.id], options);
  // Behind the others: the mailbox is tried with another message, in case this one was at fault after all.
  return delay(job, token, END_OF_PRIORITY_MS, options);
}

/** By Redis's clock, which all workers share: BullMQ's own way would use the clock of this machine. */
async function delay(job: Job, token: string, waitMs: number, { queue, now }: Processing): Promise<never> {
  await queue.backend.moveToDelayed(job.id ?? '', now().getTime(), waitMs, token, { skipAttempt: true });
  throw new DelayedError();
}

function waitMsOf({ nextAttemptAt }: Transition, { now }: Processing): number {
  return nextAttemptAt ? Math.max(0, nextAttemptAt.getTime() - now().getTime()) : 0;
}
