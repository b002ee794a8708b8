/**
 * What Redis keeps of an Idempotency-Key: a hash for the request, and one for each message of a request for several. The
 * request's hash holds its digest, so that another request with the same key is refused, whatever its length.
 */
import { createHash } from 'node:crypto';
import { DAY_MS } from '../../lib/units.ts';
import type { Submission } from '../../core/submit/submission.ts';
import type { EnqueueOutcome } from '../../core/submit/outbox.ts';
import { delayOf } from '../jobs/job.ts';
import type { Keys } from '../redis/keys.ts';
import type { Records } from '../records/records.ts';
import type { RedisClient } from '../redis/client.ts';

/** The answer to an earlier request with the same key. */
export interface IdempotencyEntry {
  readonly id: string;
  readonly estimatedAt?: string;
}

/** How long an Idempotency-Key is kept after the time of sending. */
const KEPT_MS = DAY_MS;

/** The hashes of a message and of its request. A request for one message has one hash for both. */
export function idempotencyKeysOf(
  { client, idempotency }: Submission,
  keys: Keys,
): { readonly message: string; readonly request: string } | undefined {
  if (!idempotency) return undefined;
  const { key, index } = idempotency;
  // Hashed, because a key may contain anything.
  const nameOf = (...parts: (string | number)[]) =>
    keys.idempotency(createHash('sha256').update(JSON.stringify(parts)).digest('base64url'));
  const request = nameOf(client.name, key);
  return { request, message: index === undefined ? request : nameOf(client.name, key, index) };
}

export function keptMs(message: Submission['message']): number {
  return KEPT_MS + delayOf(message);
}

/** Reads the fields of a message's hash, from Redis's flat answer. */
export function readEntry(flat: readonly string[]): IdempotencyEntry | undefined {
  const pairs = flat.flatMap((name, i) => (i % 2 === 0 ? [[name, flat[i + 1] ?? ''] as const] : []));
  const { id, estimatedAt } = Object.fromEntries<string | undefined>(pairs);
  return id === undefined ? undefined : { id, ...(estimatedAt && { estimatedAt }) };
}

/** Gives the first answer again. */
export async function replay(
  submission: Submission,
  entry: IdempotencyEntry,
  { redis, keys, records }: { redis: RedisClient; keys: Keys; records: Pick<Records, 'find'> },
): Promise<EnqueueOutcome> {
  const stored = await records.find(entry.id);
  // A record that is gone was finished long ago: the repeat gets the answer that the first request must have got.
  const message = stored?.message ?? { ...submission.message, id: entry.id };
  const estimatedAt =
    entry.estimatedAt === undefined
      ? await agreeOnEstimate(submission, message.acceptedAt, redis, keys)
      : new Date(Number(entry.estimatedAt));
  return { kind: 'replayed', message, estimatedAt };
}

/** The first one sets the estimate, so that equal requests at the same time get the same answer. */
export async function agreeOnEstimate(
  submission: Submission,
  own: Date,
  redis: RedisClient,
  keys: Keys,
): Promise<Date> {
  const name = idempotencyKeysOf(submission, keys)?.message;
  if (name === undefined) return own;
  const [, agreed] = await Promise.all([
    redis.hsetnx(name, 'estimatedAt', own.getTime()),
    redis.hget(name, 'estimatedAt'),
  ]);
  return new Date(Number(agreed));
}
