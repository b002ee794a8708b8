/**
 * The accepting side of the queues. One transaction writes a message's content, its record and its job: it is queued
 * whole or not at all, and Redis's answer to it is what a 202 stands on.
 */
import { Job, Queue } from 'bullmq';
import type { ChainableCommander } from 'ioredis';
import type { QueueDepth } from '../core/mailbox-desk.ts';
import type { Mailbox } from '../core/mailbox.ts';
import { type Message, queueOf } from '../core/message.ts';
import type { Enqueue, EnqueueOutcome, Submission } from '../core/submit.ts';
import { encodeContent } from './codec.ts';
import { withDeadline } from './deadline.ts';
import { askForecast, forecast, readForecast } from './forecast.ts';
import { JOB_NAME, jobData, jobOptions } from './job.ts';
import type { Keys } from './keys.ts';
import { newRecord } from './records.ts';
import type { RedisClient } from './redis.ts';

export interface Producer {
  readonly enqueue: Enqueue;
  /** How many messages are in a mailbox's queue. */
  depth(mailbox: string): Promise<QueueDepth>;
  /** When the turn of a message that waits comes; undefined when it does not wait. */
  estimate(message: Message, through: readonly Mailbox[]): Promise<Date | undefined>;
  /** Ends a wait of the queue's workers for their mailbox. */
  wake(queue: string): Promise<void>;
  close(): Promise<void>;
}

/** How long Redis may take for a small message, and more for each further megabyte. */
const DEADLINE_MS = 1_000;
const DEADLINE_MS_PER_MEGABYTE = 200;

/** `redis` must be fail-fast; the caller closes it after the producer. */
export function openProducer(redis: RedisClient, keys: Keys, onError: (error: Error) => void): Producer {
  const queues = new Map<string, Queue>();
  const openQueueOf = (mailbox: string): Queue => {
    const known = queues.get(mailbox);
    if (known) return known;
    const queue = openQueue(redis, keys, mailbox, onError);
    queues.set(mailbox, queue);
    return queue;
  };
  return {
    enqueue: (submission) => enqueue(redis, keys, openQueueOf(queueOf(submission.message)), submission),
    depth: async (mailbox) => {
      const counts = await openQueueOf(mailbox).getJobCounts('wait', 'prioritized', 'delayed', 'active');
      const { wait = 0, prioritized = 0, delayed = 0, active = 0 } = counts;
      return { waiting: wait + prioritized, delayed, underWay: active };
    },
    estimate: (message, through) => forecast(redis, keys, openQueueOf(queueOf(message)), message, through),
    wake: async (queue) => {
      await openQueueOf(queue).removeRateLimitKey();
    },
    close: async () => {
      await Promise.all([...queues.values()].map((queue) => queue.close()));
    },
  };
}

function openQueue(redis: RedisClient, keys: Keys, mailbox: string, onError: (error: Error) => void): Queue {
  const queue = new Queue(mailbox, { connection: redis, prefix: keys.prefix });
  queue.on('error', onError);
  return queue;
}

async function enqueue(redis: RedisClient, keys: Keys, queue: Queue, submission: Submission): Promise<EnqueueOutcome> {
  const content = encodeContent(submission.content);
  const deadlineMs = DEADLINE_MS + DEADLINE_MS_PER_MEGABYTE * Math.floor(content.length / 1024 ** 2);
  try {
    const estimatedAt = await withDeadline(write(redis, keys, queue, submission, content), deadlineMs);
    return { kind: 'queued', estimatedAt };
  } catch (cause) {
    return { kind: 'unavailable', cause };
  }
}

async function write(
  redis: RedisClient,
  keys: Keys,
  queue: Queue,
  { message, through }: Submission,
  content: string,
): Promise<Date> {
  // Its scripts are defined on the connection once BullMQ has seen Redis ready.
  await queue.waitUntilReady();
  const transaction = redis.multi();
  transaction.set(keys.body(message.id), content);
  transaction.hset(keys.record(message.id), newRecord(message));
  transaction.zadd(keys.deadlines, message.expiresAt.getTime(), message.id);
  const job = new Job(queue, JOB_NAME, jobData(message), jobOptions(message), message.id);
  await job.addJob(bullScripts(transaction));
  const questions = askForecast(transaction, keys, queue, message, through);
  const results = await transaction.exec();
  const failure = results?.find(([error]) => error)?.[0];
  if (!results || failure) throw failure ?? new Error('Redis discarded the transaction.');
  return readForecast(results.slice(-questions), through, new Date());
}

/** The one method that BullMQ needs of a client in order to add its command to a transaction of ours. */
function bullScripts(transaction: ChainableCommander): Parameters<Job['addJob']>[0] {
  const commands = transaction as unknown as Record<string, (args: unknown[]) => unknown>;
  const client = {
    runCommand: (name: string, args: unknown[]) => {
      commands[name]?.(args);
      return client;
    },
  };
  return client as unknown as Parameters<Job['addJob']>[0];
}
