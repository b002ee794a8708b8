/**
 * The working side of one mailbox's queue: brings each message to an attempt and keeps what came of it. A worker may
 * die at any line: the record says how far the message was, and BullMQ gives the ticket to another worker.
 */
import { type Job, DelayedError, Worker } from 'bullmq';
import { type Conclusion, expireUntried, giveUpUntried, interruptedAttempt, type RunAttempt } from '../core/attempt.ts';
import type { Attempt, Content, Message, MessageState } from '../core/message.ts';
import { CorruptRecordError, type StoredMessage } from './codec.ts';
import type { Keys } from './keys.ts';
import type { LeftOpen, Records } from './records.ts';
import type { RedisClient } from './redis.ts';

export interface ConsumerOptions {
  /** A patient connection; the caller closes it after the consumer. BullMQ opens a second one beside it. */
  readonly redis: RedisClient;
  readonly keys: Keys;
  readonly mailbox: string;
  /** Messages under way at a time. */
  readonly concurrency: number;
  readonly records: Records;
  readonly runAttempt: RunAttempt;
  readonly now: () => Date;
  readonly events: ConsumerEvents;
}

export interface ConsumerEvents {
  readonly concluded: (message: Message, conclusion: Conclusion) => void;
  readonly interrupted: (message: Message, attempt: Attempt) => void;
  /** A ticket without a message, or a record that can't be read. */
  readonly unreadable: (id: string, reason: string) => void;
  readonly error: (error: Error) => void;
}

export interface Consumer {
  /** Takes no more messages and waits for those under way; `force` leaves them to another worker. */
  close(force?: boolean): Promise<void>;
}

/**
 * A dead worker's lock ends after at most LOCK_MS, and each worker looks for such jobs every STALLED_CHECK_MS: another
 * one takes the message up within 30 s.
 */
const LOCK_MS = 15_000;
const STALLED_CHECK_MS = 7_000;
/** A job may be found stalled any number of times: the record counts interruptions, and BullMQ must not fail it. */
const STALLED_COUNT_MAX = 1_000_000;
/** After this many workers in a row died over a message, it is the message. */
const INTERRUPTIONS_MAX = 5;

export function openConsumer(options: ConsumerOptions): Consumer {
  const stop = new AbortController();
  const worker = new Worker(options.mailbox, (job, token) => processJob(job, token ?? '', options, stop.signal), {
    connection: options.redis,
    prefix: options.keys.prefix,
    concurrency: options.concurrency,
    lockDuration: LOCK_MS,
    stalledInterval: STALLED_CHECK_MS,
    maxStalledCount: STALLED_COUNT_MAX,
    removeOnComplete: { count: 0 },
    removeOnFail: { count: 0 },
  });
  worker.on('error', options.events.error);
  worker.on('failed', (_job, error) => options.events.error(error));
  return {
    close: (force = false) => {
      if (force) stop.abort();
      return worker.close(force);
    },
  };
}

async function processJob(job: Job, token: string, options: ConsumerOptions, signal: AbortSignal): Promise<void> {
  const id = job.id ?? '';
  const conclusion = await work(id, token, options, signal).catch((error: unknown) => {
    if (!(error instanceof CorruptRecordError)) throw error;
    options.events.unreadable(id, error.message);
    return undefined;
  });
  if (conclusion?.nextAttemptAt === undefined) return;
  await job.moveToDelayed(conclusion.nextAttemptAt.getTime(), token);
  throw new DelayedError();
}

/** One ticket's work: undefined when the message is over or gone. */
async function work(id: string, token: string, options: ConsumerOptions, signal: AbortSignal): Promise<Conclusion | undefined> {
  const { records, events, now } = options;
  const begun = await records.begin(id, token, now());
  if (begun.kind === 'missing') {
    events.unreadable(id, 'There is no record of this message.');
    return undefined;
  }
  if (begun.kind === 'over') return undefined;
  const stored = begun.leftOpen ? await noteInterruption(begun.stored, begun.leftOpen, options) : begun.stored;
  const conclusion = await concludeOne(stored, options, signal);
  await records.finish(id, token, conclusion);
  events.concluded(stored.message, conclusion);
  return conclusion;
}

async function concludeOne({ message, state }: StoredMessage, options: ConsumerOptions, signal: AbortSignal): Promise<Conclusion> {
  const { records, now, runAttempt } = options;
  if (now() >= message.expiresAt) return expireUntried(message, state, now());
  if (interruptionsInARow(state) >= INTERRUPTIONS_MAX) {
    return giveUpUntried(state, `${INTERRUPTIONS_MAX} workers in a row ended while they had this message.`, now());
  }
  const content = await loadContent(message.id, records);
  if (typeof content === 'string') return giveUpUntried(state, content, now());
  const markFinalDot = () => records.markFinalDot(message.id, now());
  return runAttempt({ message, state, content, markFinalDot, signal });
}

/** The content, or why there is none. */
async function loadContent(id: string, records: Records): Promise<Content | string> {
  try {
    return (await records.loadContent(id)) ?? "The message's content is not in Redis any more.";
  } catch (error) {
    if (!(error instanceof CorruptRecordError)) throw error;
    return `The message's content can't be read: ${error.message}`;
  }
}

async function noteInterruption(stored: StoredMessage, left: LeftOpen, { records, events, now }: ConsumerOptions): Promise<StoredMessage> {
  const attempt = interruptedAttempt(left.startedAt, left.finalDotAt !== undefined, now());
  await records.noteAttempt(stored.message.id, attempt);
  events.interrupted(stored.message, attempt);
  return { ...stored, state: { ...stored.state, attempts: [...stored.state.attempts, attempt] } };
}

function interruptionsInARow(state: MessageState): number {
  const last = state.attempts.findLastIndex(({ outcome }) => outcome !== 'interrupted');
  return state.attempts.length - 1 - last;
}
