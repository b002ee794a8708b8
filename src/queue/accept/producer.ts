/** The accepting side of the queues: writes messages, cancels them, and retries them. */
import { Queue } from 'bullmq';
import { ReplyError } from 'ioredis';
import type { QueueDepth } from '../../core/admin/mailbox-admin.ts';
import type { Mailbox } from '../../core/mailbox/mailbox.ts';
import { type Message, type MessageStatus, queueOf, type RecipientState } from '../../core/message/message.ts';
import type { Submission } from '../../core/submit/submission.ts';
import type { EnqueueAll, EnqueueOutcome } from '../../core/submit/outbox.ts';
import { type AcceptRequest, acceptAll } from './accept.ts';
import { ACCEPT_SCRIPTS } from './scripts.ts';
import type { BodyCipher } from '../records/body-cipher.ts';
import { encodeMessage, type StoredMessage } from '../records/codec.ts';
import { makeBatcher, withTimeout } from '../../lib/async.ts';
import { KILOBYTE, MEGABYTE } from '../../lib/units.ts';
import { forecast } from './eta.ts';
import { jobData, retryJobId } from '../jobs/job.ts';
import type { Keys } from '../redis/keys.ts';
import { PRIORITIES } from '../jobs/priorities.ts';
import type { Backpressure } from './queue-limits.ts';
import { RECORD_SCRIPTS } from '../records/scripts.ts';
import type { Records } from '../records/records.ts';
import { defineLua, type LuaCalls } from '../redis/lua.ts';
import type { RedisClient } from '../redis/client.ts';
import { makeRedisClock } from '../redis/clock.ts';

export interface Producer {
  readonly enqueueAll: EnqueueAll;
  /** Cancels a message that no worker has, and answers with it; undefined when one has it, or it is final. */
  cancel(stored: StoredMessage): Promise<StoredMessage | undefined>;
  /** Queues a message again that failed, expired or waits for a person, until `expiresAt`, and answers with it. */
  retry(stored: StoredMessage, expiresAt: Date): Promise<StoredMessage | 'wrong-state' | 'content-gone'>;
  /** How many messages are in a mailbox's queue. */
  depth(mailbox: string): Promise<QueueDepth>;
  /** When a message that waits is sent; undefined when it does not wait. */
  estimate(stored: StoredMessage, through: readonly Mailbox[]): Promise<Date | undefined>;
  /** Ends a wait of the queue's workers for their mailbox. */
  wake(queue: string): Promise<void>;
  close(): Promise<void>;
}

export interface ProducerOptions {
  /** Fail-fast; the caller closes it after the producer. */
  readonly redis: RedisClient;
  readonly keys: Keys;
  readonly records: Pick<Records, 'find' | 'endIdle'>;
  readonly cipher: BodyCipher;
  readonly load: Backpressure;
  readonly onError: (error: Error) => void;
  /** The window of the limit of messages a minute: that of the throttle. */
  readonly windowMs: number;
}

/** How long Redis may take for a small message, and more for each further megabyte. */
const DEADLINE_MS = 1_000;
const DEADLINE_MS_PER_MEGABYTE = 200;
/** Messages that come at the same time are written together, up to this size: larger ones do not delay the others. */
const TOGETHER_BYTES_MAX = 256 * KILOBYTE;
const TOGETHER_MESSAGES_MAX = 100;
/** The part of it for Redis's answer: what Redis has not begun by then, it does not begin. */
const ANSWER_MS = 250;

export function openProducer(options: ProducerOptions): Producer {
  const { redis, keys, windowMs } = options;
  const queues = new Map<string, Queue>();
  const openQueueOf = (name: string): Queue => {
    const known = queues.get(name);
    if (known) return known;
    const queue = openQueue(name, options);
    queues.set(name, queue);
    return queue;
  };
  const accepting = { ...options, scripts: defineLua(redis, ACCEPT_SCRIPTS), clock: makeRedisClock() };
  const accept = makeBatcher({
    write: (requests: readonly AcceptRequest[]) => acceptAll(requests, accepting),
    bytesOf: ({ submission }) => submission.message.sizeBytes,
    bytesMax: TOGETHER_BYTES_MAX,
    itemsMax: TOGETHER_MESSAGES_MAX,
  });
  const dependencies = { ...options, scripts: defineLua(redis, RECORD_SCRIPTS), queueOf: openQueueOf, accept };
  return {
    enqueueAll: (submissions) => enqueueInTime(submissions, dependencies),
    cancel: (stored) => cancel(stored, dependencies),
    retry: (stored, expiresAt) => retry(stored, expiresAt, dependencies),
    depth: async (mailbox) => {
      const counts = await openQueueOf(mailbox).getJobCounts('wait', 'prioritized', 'delayed', 'active');
      const { wait = 0, prioritized = 0, delayed = 0, active = 0 } = counts;
      return { waiting: wait + prioritized, delayed, underWay: active };
    },
    estimate: (stored, through) =>
      forecast(redis, keys, openQueueOf(queueOf(stored.message)), stored, through, windowMs),
    wake: async (queue) => {
      await openQueueOf(queue).removeRateLimitKey();
    },
    close: async () => {
      await Promise.all([...queues.values()].map((queue) => queue.close()));
    },
  };
}

interface Dependencies extends ProducerOptions {
  readonly scripts: Pick<LuaCalls<typeof RECORD_SCRIPTS>, 'retry'>;
  readonly queueOf: (name: string) => Queue;
  readonly accept: (requests: readonly AcceptRequest[]) => Promise<readonly EnqueueOutcome[]>;
}

function openQueue(name: string, { redis, keys, onError }: ProducerOptions): Queue {
  const queue = new Queue(name, { connection: redis, prefix: keys.prefix });
  queue.on('error', onError);
  return queue;
}

async function enqueueInTime(
  submissions: readonly Submission[],
  { load, accept }: Dependencies,
): Promise<readonly EnqueueOutcome[]> {
  const [first] = submissions;
  if (!first) return [];
  const wanted = { messages: submissions.length, bytes: bytesOf(submissions) };
  const deadlineMs = DEADLINE_MS + DEADLINE_MS_PER_MEGABYTE * Math.floor(wanted.bytes / MEGABYTE);
  let sent = false;
  const onSent = () => {
    sent = true;
  };
  const latestAt = performance.now() + deadlineMs - ANSWER_MS;
  const enqueue = async () => {
    const all = () => accept(submissions.map((submission) => ({ submission, latestAt, onSent })));
    const outcome = await load.admit(first.client, wanted, all);
    return 'kind' in outcome ? submissions.map(() => outcome) : outcome;
  };
  try {
    return await withTimeout(enqueue(), deadlineMs);
  } catch (cause) {
    const kind = sent && !(cause instanceof ReplyError) ? 'unanswered' : 'unavailable';
    return submissions.map(() => ({ kind, cause }));
  }
}

function bytesOf(submissions: readonly Submission[]): number {
  return submissions.reduce((sum, { message }) => sum + message.sizeBytes, 0);
}

async function cancel(
  { message, state, jobId }: StoredMessage,
  { records, queueOf: openQueueOf }: Dependencies,
): Promise<StoredMessage | undefined> {
  const finishedAt = new Date();
  const recipients = state.recipients.map(
    (recipient): RecipientState => (recipient.status === 'pending' ? { ...recipient, status: 'canceled' } : recipient),
  );
  const canceled = await records.endIdle(message.id, { status: 'canceled', recipients, endedAt: finishedAt });
  if (!canceled) return undefined;
  // The job would bring a worker a message that is over, and it would count in the queue's depth.
  await openQueueOf(queueOf(message))
    .remove(jobId)
    .catch(() => 0);
  const { nextAttemptAt: _, ...rest } = state;
  return { message, jobId, state: { ...rest, status: 'canceled', recipients, finishedAt } };
}

/** A held message may have been sent: a person has to decide. */
const RETRIABLE: readonly MessageStatus[] = ['failed', 'expired', 'held'];

async function retry(
  { message, state }: StoredMessage,
  expiresAt: Date,
  { scripts, keys }: Dependencies,
): Promise<StoredMessage | 'wrong-state' | 'content-gone'> {
  // A job for a message in another state could bring it to a worker before its time, or to two at once.
  if (!RETRIABLE.includes(state.status)) return 'wrong-state';
  const { sendAt: _past, ...rest } = message;
  const again: Message = { ...rest, expiresAt };
  const jobId = retryJobId(message.id, state.attempts.length);
  const recipients = state.recipients.map(
    (recipient): RecipientState =>
      recipient.status === 'sent' ? recipient : { address: recipient.address, status: 'pending' },
  );
  const retriedAtMs = await scripts.retry({
    keys: { record: keys.record(message.id), body: keys.body(message.id) },
    args: {
      prefix: keys.prefix,
      id: message.id,
      message: encodeMessage(again),
      recipients: JSON.stringify(recipients),
      expiresAtMs: expiresAt.getTime(),
      queue: queueOf(again),
      jobId,
      priority: PRIORITIES[again.priority],
      jobData: JSON.stringify(jobData(again)),
    },
  });
  if (retriedAtMs <= 0) return retriedAtMs === 0 ? 'wrong-state' : 'content-gone';
  const { finishedAt: _finished, nextAttemptAt: _next, ...known } = state;
  const retriedAt = new Date(retriedAtMs);
  return { message: again, jobId, state: { ...known, status: 'queued', recipients, retriedAt } };
}
