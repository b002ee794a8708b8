/**
 * Writes accepted messages: content, record and ticket of all of them in one transaction. They are queued whole or not
 * at all, and Redis's answer to it is what a 202 stands on.
 */
import { Job, type Queue } from 'bullmq';
import type { ChainableCommander } from 'ioredis';
import type { Mailbox } from '../core/mailbox.ts';
import { type Message, queueOf } from '../core/message.ts';
import type { Submission } from '../core/submission.ts';
import type { EnqueueOutcome } from '../core/submit.ts';
import type { BodyCipher } from './body-cipher.ts';
import { encodeContent } from './codec.ts';
import { askForecast, readForecast } from './forecast.ts';
import { JOB_NAME, jobData, jobOptions } from './job.ts';
import type { Keys } from './keys.ts';
import { newRecord, type Records } from './records.ts';
import type { RedisClient } from './redis.ts';
import type { RedisClock } from './redis-clock.ts';
import { transactionScripts } from './scripts.ts';
import { agreeOnEstimate, asUsedKey, findUsedKey, keptMs, replay, usedKeysOf } from './used-keys.ts';

export interface AcceptDependencies {
  /** Its scripts are defined. */
  readonly redis: RedisClient;
  readonly keys: Keys;
  readonly records: Pick<Records, 'find'>;
  readonly cipher: BodyCipher;
  readonly queueOf: (name: string) => Queue;
  readonly clock: RedisClock;
}

interface Entry {
  readonly submission: Submission;
  /** As it is kept in Redis. */
  readonly body: string | Buffer;
}

export interface Timing {
  /** By `performance.now()`: what Redis has not begun by then it leaves alone. */
  readonly latestAt: number;
  /** Called just before Redis is told: from then on, only its answer tells whether it took them. */
  readonly onSent: () => void;
}

/** Rejects when Redis does not take them, or does not answer. */
export async function acceptAll(
  submissions: readonly Submission[],
  timing: Timing,
  dependencies: AcceptDependencies,
): Promise<readonly EnqueueOutcome[]> {
  const { redis, keys } = dependencies;
  const used = await Promise.all(submissions.map((submission) => findUsedKey(submission, redis, keys)));
  const fresh = submissions.filter((_, i) => used[i] === undefined);
  const written = (await write(fresh, timing, dependencies)).values();
  const outcomes = submissions.map((submission, i) => {
    const before = used[i];
    return before ? replay(submission, before, dependencies) : (written.next().value ?? gone());
  });
  return Promise.all(outcomes);
}

/** How many bytes these submissions have as they are written. */
export function contentBytes(submissions: readonly Submission[]): number {
  return submissions.reduce((sum, { message }) => sum + message.sizeBytes, 0);
}

async function write(
  submissions: readonly Submission[],
  { latestAt, onSent }: Timing,
  dependencies: AcceptDependencies,
): Promise<readonly Promise<EnqueueOutcome>[]> {
  if (submissions.length === 0) return [];
  const { redis, keys, clock, cipher } = dependencies;
  await readyFor(
    submissions.map(({ message }) => message),
    dependencies,
  );
  const redisNow = clock.now() ?? (await askTime(redis, clock));
  const sentAt = performance.now();
  const latestMs = Math.floor(redisNow + latestAt - sentAt);
  const transaction = redis.multi();
  const places: { readonly accept: number; readonly forecast: number; readonly questions: number }[] = [];
  for (const submission of submissions) {
    const accept = lengthOf(transaction);
    const { message, content, through } = submission;
    const body = cipher.seal(message.id, encodeContent(content));
    addAccept(transaction, { submission, body }, latestMs, keys);
    await addTicket(transaction, message, message.id, dependencies);
    const forecast = lengthOf(transaction);
    const questions = askForecast(transaction, keys, dependencies.queueOf(queueOf(message)), message, through);
    places.push({ accept, forecast, questions });
  }
  if (redis.status !== 'ready') throw new Error('There is no connection to Redis.');
  onSent();
  const results = await transaction.exec();
  const failure = results?.find(([error]) => error)?.[0];
  if (!results || failure) throw failure ?? new Error('Redis discarded the transaction.');
  return submissions.map((submission, i) => {
    const { accept = 0, forecast = 0, questions = 0 } = places[i] ?? {};
    const [verdict, redisMs, ...used] = (results[accept] ?? gone())[1] as AcceptAnswer;
    clock.tell(redisMs, sentAt);
    if (verdict === 'late') return refuseLate(submission, dependencies);
    if (verdict === 'other') return refuseOther(submission, dependencies);
    const found = readEstimate(results.slice(forecast, forecast + questions), submission.message, submission.through);
    return settle(submission, used, found, dependencies);
  });
}

type AcceptAnswer = readonly [verdict: 'written' | 'late' | 'used' | 'other', redisMs: number, ...used: string[]];

async function askTime(redis: RedisClient, clock: RedisClock): Promise<number> {
  const sentAt = performance.now();
  const [seconds, microseconds] = await redis.time();
  const redisMs = Number(seconds) * 1_000 + Math.floor(Number(microseconds) / 1_000);
  clock.tell(redisMs, sentAt);
  return redisMs;
}

async function refuseLate({ message }: Submission, dependencies: AcceptDependencies): Promise<EnqueueOutcome> {
  await removeTicket(message, dependencies);
  return { kind: 'unavailable', cause: new Error('Redis came to the message too late.') };
}

/** Another request with the same key has come between the look and the write. It may have a message at the same place. */
async function refuseOther({ message }: Submission, dependencies: AcceptDependencies): Promise<EnqueueOutcome> {
  const isThere = await dependencies.redis.exists(dependencies.keys.record(message.id));
  if (!isThere) await removeTicket(message, dependencies);
  return { kind: 'key-reused' };
}

/** The ticket was written, for a message that was not: a worker would find nothing, and say so in the log. */
async function removeTicket(message: Message, { queueOf: openQueueOf }: AcceptDependencies): Promise<void> {
  await openQueueOf(queueOf(message))
    .remove(message.id)
    .catch(() => 0);
}

/** A transaction counts its own MULTI, whose result is not among the others. */
function lengthOf(transaction: ChainableCommander): number {
  return transaction.length - 1;
}

function addAccept(transaction: ChainableCommander, { submission, body }: Entry, latestMs: number, keys: Keys): void {
  const { message, idempotency } = submission;
  const { id, client, acceptedAt, expiresAt } = message;
  const record = keys.record(id);
  const used = usedKeysOf(submission, keys);
  transactionScripts(transaction).accept(
    record,
    keys.body(id),
    used?.message ?? record,
    used?.request ?? record,
    keys.prefix,
    id,
    body,
    acceptedAt.getTime(),
    expiresAt.getTime(),
    client,
    queueOf(message),
    idempotency?.fingerprint ?? '',
    keptMs(message),
    latestMs,
    ...Object.entries(newRecord(message)).flat(),
  );
}

/**
 * To be awaited before a transaction is opened: BullMQ defines its scripts once it has seen Redis ready, and a
 * transaction knows only those that were there when it began.
 */
export async function readyFor(
  messages: readonly Message[],
  dependencies: Pick<AcceptDependencies, 'queueOf'>,
): Promise<void> {
  const names = new Set(messages.map(queueOf));
  await Promise.all([...names].map((name) => dependencies.queueOf(name).waitUntilReady()));
}

/** Adds the message's ticket to the transaction. A second ticket does no harm: the record says that there is nothing to do. */
export async function addTicket(
  transaction: ChainableCommander,
  message: Message,
  ticket: string,
  dependencies: Pick<AcceptDependencies, 'queueOf'>,
): Promise<void> {
  const queue = dependencies.queueOf(queueOf(message));
  const job = new Job(queue, JOB_NAME, jobData(message), jobOptions(message), ticket);
  await job.addJob(bullScripts(transaction));
}

/** The one method that BullMQ needs of a client in order to add its command to a transaction of ours. */
function bullScripts(transaction: ChainableCommander): Parameters<Job['addJob']>[0] {
  const commands = transaction as unknown as Record<string, (args: unknown[]) => unknown>;
  const client = {
    runCommand: (name: string, args: unknown[]) => {
      const command = commands[name];
      // Without its ticket a message would be accepted and never sent.
      if (!command) throw new Error(`The transaction does not know BullMQ's script ${name}.`);
      command.call(transaction, args);
      return client;
    },
  };
  return client as unknown as Parameters<Job['addJob']>[0];
}

function readEstimate(
  results: Parameters<typeof readForecast>[0],
  { sendAt }: Message,
  through: readonly Mailbox[],
): Date {
  const estimate = readForecast(results, through, new Date());
  return sendAt && sendAt > estimate ? sendAt : estimate;
}

/** Another request with the same key may have come between the look and the write: then that one counts. */
async function settle(
  submission: Submission,
  fields: readonly string[],
  estimatedAt: Date,
  dependencies: AcceptDependencies,
): Promise<EnqueueOutcome> {
  if (fields.length > 0) {
    const used = asUsedKey(Object.fromEntries(pairs(fields)));
    return used ? replay(submission, used, dependencies) : gone();
  }
  const { redis, keys } = dependencies;
  return { kind: 'queued', estimatedAt: await agreeOnEstimate(submission, estimatedAt, redis, keys) };
}

function pairs(flat: readonly string[]): [string, string][] {
  return flat.flatMap((name, i) => (i % 2 === 0 ? [[name, flat[i + 1] ?? ''] as [string, string]] : []));
}

function gone(): never {
  throw new Error('Redis gave no answer for this message.');
}
