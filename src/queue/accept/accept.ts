/**
 * Writes accepted messages: content, record and job of each, by one script. A message is queued completely or not at all,
 * and a 202 is sent only after Redis has answered.
 */
import { positionAhead, type Backlog } from '../../core/mailbox/eta.ts';
import type { Mailbox } from '../../core/mailbox/mailbox.ts';
import { queueOf } from '../../core/message/message.ts';
import type { Submission } from '../../core/submit/submission.ts';
import type { EnqueueOutcome } from '../../core/submit/outbox.ts';
import type { AcceptAnswer, AcceptedMessage, ACCEPT_SCRIPTS } from './scripts.ts';
import type { BodyCipher } from '../records/body-cipher.ts';
import { encodeContent } from '../records/codec.ts';
import { estimateTurn, type Capacity, readCapacity } from './eta.ts';
import { delayOf, jobData } from '../jobs/job.ts';
import type { Keys } from '../redis/keys.ts';
import type { LuaCalls } from '../redis/lua.ts';
import { PRIORITIES } from '../jobs/priorities.ts';
import { newRecord, type Records } from '../records/records.ts';
import type { RedisClient } from '../redis/client.ts';
import type { RedisClock } from '../redis/clock.ts';
import { askTime } from '../redis/redis-time.ts';
import { agreeOnEstimate, readEntry, keptMs, replay, idempotencyKeysOf } from './idempotency-store.ts';

export interface AcceptDependencies {
  readonly redis: RedisClient;
  readonly keys: Keys;
  readonly records: Pick<Records, 'find'>;
  readonly cipher: BodyCipher;
  readonly scripts: LuaCalls<typeof ACCEPT_SCRIPTS>;
  readonly clock: RedisClock;
  /** The window of the limit of messages a minute. */
  readonly windowMs: number;
}

/** A message to be written. */
export interface AcceptRequest {
  readonly submission: Submission;
  /** By `performance.now()`: what Redis has not begun by then, it does not begin. */
  readonly latestAt: number;
  /** Called just before the message goes to Redis: from then on, only Redis's answer shows whether it is queued. */
  readonly onSent: () => void;
}

/** Rejects when Redis does not take them, or does not answer. The outcomes are in the requests' order. */
export async function acceptAll(
  requests: readonly AcceptRequest[],
  dependencies: AcceptDependencies,
): Promise<readonly EnqueueOutcome[]> {
  const { redis, clock, scripts, keys } = dependencies;
  const redisNow = clock.now() ?? (await askTime(redis, clock));
  const sentAt = performance.now();
  const messages = requests.map(({ submission, latestAt }) =>
    acceptedMessage(submission, Math.floor(redisNow + latestAt - sentAt), dependencies),
  );
  if (redis.status !== 'ready') throw new Error('There is no connection to Redis.');
  for (const { onSent } of requests) onSent();
  const answering = scripts.accept({ keys: { index: keys.index }, args: { prefix: keys.prefix, messages } });
  const capacities = readCapacities(requests, dependencies);
  const [redisMs, ...answers] = await answering;
  clock.set(redisMs, sentAt);
  const capacityOf = await capacities;
  return Promise.all(
    requests.map(({ submission }, i) => settle(submission, answers[i] ?? gone(), capacityOf, dependencies)),
  );
}

function acceptedMessage(
  submission: Submission,
  latestMs: number,
  { keys, cipher }: AcceptDependencies,
): AcceptedMessage {
  const { message, content, idempotency } = submission;
  const idempotencyKeys = idempotencyKeysOf(submission, keys);
  return {
    id: message.id,
    content: cipher.seal(message, encodeContent(content)),
    acceptedAtMs: message.acceptedAt.getTime(),
    expiresAtMs: message.expiresAt.getTime(),
    client: message.client,
    queue: queueOf(message),
    ...newRecord(message),
    priority: PRIORITIES[message.priority],
    delayMs: delayOf(message),
    jobData: JSON.stringify(jobData(message)),
    idempotencyKey: idempotencyKeys?.message ?? '',
    requestKey: idempotencyKeys?.request ?? '',
    digest: idempotency?.digest ?? '',
    keptMs: keptMs(message),
    latestMs,
  };
}

/** Reads the capacity of each mailbox that any of the messages may go through. */
async function readCapacities(
  requests: readonly AcceptRequest[],
  { redis, keys }: AcceptDependencies,
): Promise<(mailbox: Mailbox) => Capacity> {
  const mailboxes = new Map(
    requests.flatMap(({ submission }) => submission.through.map((mailbox) => [mailbox.id, mailbox])),
  );
  const capacities = new Map<string, Capacity>();
  const read = async (mailbox: Mailbox) => capacities.set(mailbox.id, await readCapacity(redis, keys, mailbox));
  await Promise.all([...mailboxes.values()].map(read));
  return ({ id }) => capacities.get(id) ?? gone();
}

/** Of two requests with the same key, the one that reaches Redis first counts. */
async function settle(
  submission: Submission,
  answer: AcceptAnswer,
  capacityOf: (mailbox: Mailbox) => Capacity,
  dependencies: AcceptDependencies,
): Promise<EnqueueOutcome> {
  switch (answer[0]) {
    case 'late':
      return { kind: 'unavailable', cause: new Error('Redis came to the message too late.') };
    case 'other':
      return { kind: 'key-reused' };
    case 'used':
      return replay(submission, readEntry(answer.slice(1) as string[]) ?? gone(), dependencies);
    case 'written': {
      const { redis, keys } = dependencies;
      const [, high, normal, low, underWay] = answer;
      const own = estimate(submission, { high, normal, low, underWay }, capacityOf, dependencies.windowMs);
      return { kind: 'queued', estimatedAt: await agreeOnEstimate(submission, own, redis, keys) };
    }
  }
}

function estimate(
  { message: { sendAt, priority }, through }: Submission,
  before: Backlog,
  capacityOf: (mailbox: Mailbox) => Capacity,
  windowMs: number,
): Date {
  const turn = estimateTurn(
    positionAhead(priority, before[priority], before),
    through.map(capacityOf),
    windowMs,
    new Date(),
  );
  return sendAt && sendAt > turn ? sendAt : turn;
}

function gone(): never {
  throw new Error('Redis gave no answer for this message.');
}
