/**
 * What Redis knows of Idempotency-Keys: a hash for the request, and one for each message of a request for several. The
 * request's says what it was, so that another one with the same key finds no room beside it, whatever its length.
 */
import { createHash } from 'node:crypto';
import { DAY_MS } from '../../lib/units.ts';
import type { Submission } from '../../core/submit/submission.ts';
import type { EnqueueOutcome } from '../../core/submit/submit.ts';
import { delayOf } from '../jobs/job.ts';
import type { Keys } from '../redis/keys.ts';
import type { Records } from '../records/records.ts';
import type { RedisClient } from '../redis/client.ts';

/** What came of an earlier request with the same key. */
export interface UsedKey {
  readonly id: string;
  readonly estimatedAt?: string;
}

/** How long an Idempotency-Key is kept, from the time of sending on. */
const KEPT_MS = DAY_MS;

/** The hashes of a message and of its request; of a request for one message they are the same. */
export function usedKeysOf(
  { client, idempotency }: Submission,
  keys: Keys,
): { readonly message: string; readonly request: string } | undefined {
  if (!idempotency) return undefined;
  const { key, index } = idempotency;
  // A hash, for a client may write anything into its key.
  const nameOf = (...parts: (string | number)[]) =>
    keys.idempotency(createHash('sha256').update(JSON.stringify(parts)).digest('base64url'));
  const request = nameOf(client.name, key);
  return { request, message: index === undefined ? request : nameOf(client.name, key, index) };
}

export function keptMs(message: Submission['message']): number {
  return KEPT_MS + delayOf(message);
}

/** From the fields of a message's hash, name and value in turns. */
export function asUsedKey(flat: readonly string[]): UsedKey | undefined {
  const pairs = flat.flatMap((name, i) => (i % 2 === 0 ? [[name, flat[i + 1] ?? ''] as const] : []));
  const { id, estimatedAt } = Object.fromEntries<string | undefined>(pairs);
  return id === undefined ? undefined : { id, ...(estimatedAt && { estimatedAt }) };
}

/** The first answer again. */
export async function replay(
  submission: Submission,
  used: UsedKey,
  { redis, keys, records }: { redis: RedisClient; keys: Keys; records: Pick<Records, 'find'> },
): Promise<EnqueueOutcome> {
  const stored = await records.find(used.id);
  // A record that is gone was finished long ago: the repeat is answered with what the first one must have been.
  const message = stored?.message ?? { ...submission.message, id: used.id };
  const estimatedAt =
    used.estimatedAt === undefined
      ? await agreeOnEstimate(submission, message.acceptedAt, redis, keys)
      : new Date(Number(used.estimatedAt));
  return { kind: 'replayed', message, estimatedAt };
}

/** Whoever comes first says it, so that the same requests at the same time get the same answer. */
export async function agreeOnEstimate(
  submission: Submission,
  own: Date,
  redis: RedisClient,
  keys: Keys,
): Promise<Date> {
  const name = usedKeysOf(submission, keys)?.message;
  if (name === undefined) return own;
  const [, agreed] = await Promise.all([
    redis.hsetnx(name, 'estimatedAt', own.getTime()),
    redis.hget(name, 'estimatedAt'),
  ]);
  return new Date(Number(agreed));
}
