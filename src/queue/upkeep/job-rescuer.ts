/**
 * Makes sure that each unfinished message has a job which BullMQ can bring to a worker. The record decides: a job that is
 * lost or corrupt (by a fault, or by another program that writes to Redis) is written again from the record.
 */
import { type Message, queueOf } from '../../core/message/message.ts';
import { CorruptRecordError, type StoredMessage } from '../records/codec.ts';
import { jobData, messageIdOf, retryJobId } from '../jobs/job.ts';
import type { Keys } from '../redis/keys.ts';
import { PRIORITIES } from '../jobs/priorities.ts';
import type { Records } from '../records/records.ts';
import type { RedisClient } from '../redis/client.ts';
import { openPeriodic, type Periodic } from '../../lib/async.ts';
import { defineLua, type LuaCalls } from '../redis/lua.ts';
import { JOB_RESCUER_SCRIPTS } from './scripts.ts';

export interface JobRescuerOptions {
  readonly redis: RedisClient;
  readonly keys: Keys;
  readonly records: Pick<Records, 'find'>;
  readonly now: () => Date;
  readonly onRepaired: (message: Message) => void;
  readonly onError: (error: Error) => void;
  readonly checkMs?: number;
}

const CHECK_MS = 5_000;
/** Each takes 25 µs of Redis's time (measured), and other clients wait meanwhile. */
const MESSAGES_A_TIME = 100;

export function openJobRescuer(options: JobRescuerOptions): Periodic {
  const { redis, checkMs = CHECK_MS, onError } = options;
  const scripts = defineLua(redis, JOB_RESCUER_SCRIPTS);
  const nextIds = makeWalk(options);
  return openPeriodic(checkMs, async () => repairAll(await nextIds(), scripts, options), onError);
}

/** Goes through all unfinished messages, some each time, and then starts again. */
function makeWalk({ redis, keys }: JobRescuerOptions): () => Promise<string[]> {
  let cursor = '0';
  return async () => {
    const [next, idsAndTimes] = await redis.zscan(keys.deadlines, cursor, 'COUNT', MESSAGES_A_TIME);
    cursor = next;
    return idsAndTimes.filter((_, i) => i % 2 === 0);
  };
}

async function repairAll(
  ids: readonly string[],
  scripts: LuaCalls<typeof JOB_RESCUER_SCRIPTS>,
  { keys, records, now, onRepaired }: JobRescuerOptions,
): Promise<void> {
  const jobless = await scripts.findJobless({ keys: { queues: keys.queues }, args: { prefix: keys.prefix, ids } });
  for (const id of jobless) {
    const stored = await records.find(id).catch(noneIfCorrupt);
    if (stored && (await repair(stored, now().getTime(), scripts, keys))) onRepaired(stored.message);
  }
}

/** A worker could not read the message: it waits until it expires. */
function noneIfCorrupt(error: unknown): undefined {
  if (!(error instanceof CorruptRecordError)) throw error;
}

async function repair(
  stored: StoredMessage,
  now: number,
  scripts: LuaCalls<typeof JOB_RESCUER_SCRIPTS>,
  keys: Keys,
): Promise<boolean> {
  const { message, state } = stored;
  const { id, sendAt, priority } = message;
  const jobId = messageIdOf({ id: stored.jobId }) === id ? stored.jobId : retryJobId(id, state.attempts.length);
  const dueAt = state.nextAttemptAt ?? sendAt;
  const repaired = await scripts.repairJob({
    keys: { record: keys.record(id) },
    args: {
      prefix: keys.prefix,
      id,
      queue: queueOf(message),
      jobId,
      nowMs: now,
      priority: PRIORITIES[priority],
      delayMs: Math.max(0, (dueAt?.getTime() ?? now) - now),
      jobData: JSON.stringify(jobData(message)),
    },
  });
  return repaired === 1;
}
