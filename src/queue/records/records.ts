/**
 * The record of each message, which decides its status. A job only brings a message to a worker, so a job that comes
 * twice does no harm.
 */
import { type Attempt, type Message, newState, type RecipientState } from '../../core/message/message.ts';
import type { RedisClient } from '../redis/client.ts';
import type { Keys } from '../redis/keys.ts';
import { defineLua } from '../redis/lua.ts';
import {
  asCorrupt,
  CorruptRecordError,
  decodeMailbox,
  decodeRecord,
  encodeMessage,
  type StoredMessage,
} from './codec.ts';
import { RECORD_SCRIPTS } from './scripts.ts';

/** How a message ends that no worker has. */
export interface IdleEnd {
  readonly status: 'sent' | 'failed' | 'expired' | 'canceled';
  readonly recipients: readonly RecipientState[];
  readonly endedAt: Date;
  /** Added to the attempts that were made. */
  readonly attempt?: Attempt;
}

export interface Records {
  find(id: string): Promise<StoredMessage | undefined>;
  /** The only mailbox that a message to a pool may go through; undefined: any. */
  pinnedTo(id: string): Promise<string | undefined>;
  /** Ends a message that no worker has; false when a worker has it, or it is over. */
  endIdle(id: string, end: IdleEnd): Promise<boolean>;
  /** Unfinished messages whose time is over, the longest overdue first. */
  overdue(now: Date, max: number): Promise<string[]>;
  /** Removes the end of a message's time, when nothing can end the message. */
  forgetDeadline(id: string): Promise<void>;
}

/** What the record of a message holds that has just been accepted. */
export function newRecord(message: Message): Readonly<Record<'message' | 'status' | 'recipients', string>> {
  const { status, recipients } = newState(message);
  return { message: encodeMessage(message), status, recipients: JSON.stringify(recipients) };
}

export function openRecords(redis: RedisClient, keys: Keys, retentionMs: number): Records {
  const scripts = defineLua(redis, RECORD_SCRIPTS);
  return {
    find: async (id) => decodeRecord(id, await readable(redis.hgetall(keys.record(id)))),
    pinnedTo: (id) => pinnedTo(redis, keys, id),
    endIdle: async (id, end) =>
      (await scripts.endIdle({
        keys: { record: keys.record(id), body: keys.body(id) },
        args: { prefix: keys.prefix, id, retentionMs, ...idleEndArgs(end) },
      })) === 1,
    forgetDeadline: async (id) => {
      await redis.zrem(keys.deadlines, id);
    },
    overdue: (now, max) => redis.zrangebyscore(keys.deadlines, '-inf', now.getTime(), 'LIMIT', 0, max),
  };
}

function idleEndArgs({ attempt, recipients, status, endedAt }: IdleEnd) {
  return {
    attempt: attempt ? JSON.stringify(attempt) : '',
    recipients: JSON.stringify(recipients),
    status,
    finishedAtMs: endedAt.getTime(),
  };
}

async function pinnedTo(redis: RedisClient, keys: Keys, id: string): Promise<string | undefined> {
  try {
    const fields = await readable(redis.hmget(keys.record(id), 'pinned', 'finalDotAt', 'through'));
    const [pinned, finalDotAt, through] = fields;
    return pinned || finalDotAt ? decodeMailbox(through ?? '').id : undefined;
  } catch (error) {
    // The worker that claims the message finds that its record cannot be read, and reports it.
    if (error instanceof CorruptRecordError) return undefined;
    throw error;
  }
}

/** @throws CorruptRecordError when the key has another type. */
async function readable<T>(answer: Promise<T>): Promise<T> {
  try {
    return await answer;
  } catch (cause) {
    throw cause instanceof Error ? asCorrupt(cause) : cause;
  }
}
