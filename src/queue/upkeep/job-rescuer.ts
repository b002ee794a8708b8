/**
 * Sees to it that each message that is not over has a ticket which BullMQ can bring to a worker. The record is the truth:
 * when a ticket is lost or spoilt (by a fault, or by somebody who writes to Redis), it is written anew from the record.
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

export interface TicketWatchOptions {
  readonly redis: RedisClient;
  readonly keys: Keys;
  readonly records: Pick<Records, 'find'>;
  readonly now: () => Date;
  readonly onMended: (message: Message) => void;
  readonly onError: (error: Error) => void;
}

const CHECK_MS = 5_000;
/** So many are looked at in each check: measured at 25 µs of Redis's time each, while nobody else is served. */
const MESSAGES_A_TIME = 100;

export function openTicketWatch(options: TicketWatchOptions): Periodic {
  const scripts = defineLua(options.redis, JOB_RESCUER_SCRIPTS);
  const nextIds = makeWalk(options);
  return openPeriodic(CHECK_MS, async () => mendAll(await nextIds(), scripts, options), options.onError);
}

/** Goes over all unfinished messages, some each time, and then begins anew. */
function makeWalk({ redis, keys }: TicketWatchOptions): () => Promise<string[]> {
  let cursor = '0';
  return async () => {
    const [next, idsAndTimes] = await redis.zscan(keys.deadlines, cursor, 'COUNT', MESSAGES_A_TIME);
    cursor = next;
    return idsAndTimes.filter((_, i) => i % 2 === 0);
  };
}

async function mendAll(
  ids: readonly string[],
  scripts: LuaCalls<typeof JOB_RESCUER_SCRIPTS>,
  { keys, records, now, onMended }: TicketWatchOptions,
): Promise<void> {
  const jobless = await scripts.findJobless({ keys: { queues: keys.queues }, args: { prefix: keys.prefix, ids } });
  for (const id of jobless) {
    const stored = await records.find(id).catch(noneIfCorrupt);
    if (stored && (await mend(stored, now().getTime(), scripts, keys))) onMended(stored.message);
  }
}

/** A ticket would bring a worker nothing that it can read: such a message waits for the end of its time. */
function noneIfCorrupt(error: unknown): undefined {
  if (!(error instanceof CorruptRecordError)) throw error;
}

async function mend(
  stored: StoredMessage,
  now: number,
  scripts: LuaCalls<typeof JOB_RESCUER_SCRIPTS>,
  keys: Keys,
): Promise<boolean> {
  const { message, state } = stored;
  const { id, sendAt, priority } = message;
  const ticket = messageIdOf({ id: stored.ticket }) === id ? stored.ticket : retryJobId(id, state.attempts.length);
  const dueAt = state.nextAttemptAt ?? sendAt;
  const mended = await scripts.repairJob({
    keys: { record: keys.record(id) },
    args: {
      prefix: keys.prefix,
      id,
      queue: queueOf(message),
      jobId: ticket,
      nowMs: now,
      priority: PRIORITIES[priority],
      delayMs: Math.max(0, (dueAt?.getTime() ?? now) - now),
      jobData: JSON.stringify(jobData(message)),
    },
  });
  return mended === 1;
}
