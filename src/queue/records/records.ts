/**
 * What is known of each message. The record, and not the job, is the truth of a message's status: a job is only the
 * ticket that brings a message to a worker, so a ticket that comes twice does no harm.
 */
import type { Transition } from '../../core/deliver/conclusion.ts';
import type { Attempt, Content, Message, RecipientState } from '../../core/message/message.ts';
import { isFinal, newState } from '../../core/message/message.ts';
import type { BodyCipher } from './body-cipher.ts';
import {
  CorruptRecordError,
  decodeContent,
  decodeLeftOpen,
  decodeMailbox,
  decodeRecord,
  encodeMessage,
  type LeftOpen,
  type RecordFields,
  type StoredMessage,
} from './codec.ts';
import type { Admission, Settlement, Wait, WaitReason } from '../limits/throttle.ts';
import type { Keys } from '../redis/keys.ts';
import { defineLua, type LuaCalls } from '../redis/lua.ts';
import { PRUNE_SCRIPTS } from '../upkeep/scripts.ts';
import { type FinishArgs, type Found, WORK_SCRIPTS } from '../work/scripts.ts';
import { RECORD_SCRIPTS } from './scripts.ts';
import type { RedisClient } from '../redis/client.ts';

/** A message that a worker wants to take up for an attempt. */
export type Beginning = { readonly kind: 'taken'; readonly taken: Taken } | Wait;

/** What Redis had of a message when it was taken up; `readTaken` and `readBody` read it. */
export interface Taken {
  readonly fields: Found<readonly Buffer[]>;
  readonly body: Found<Buffer | null>;
}

export type Begun =
  | { readonly kind: 'begun'; readonly stored: StoredMessage; readonly leftOpen?: LeftOpen }
  | { readonly kind: 'over'; readonly stored: StoredMessage }
  | { readonly kind: 'missing' };

/** The mailbox that a message goes through. */
export interface Sender {
  readonly id: string;
  readonly address: string;
}

/** How a message ends that no worker has. */
export interface IdleEnd {
  readonly status: 'sent' | 'failed' | 'expired' | 'canceled';
  readonly recipients: readonly RecipientState[];
  readonly endedAt: Date;
  /** What is noted beside the attempts that were made. */
  readonly attempt?: Attempt;
}

export interface Records {
  /** Notes the attempt that a worker left open when it died. */
  noteAttempt(id: string, attempt: Attempt): Promise<void>;
  find(id: string): Promise<StoredMessage | undefined>;
  /** Opens an attempt, known by its token, in one step with the throttle's admission, and only with that. */
  begin(id: string, token: string, now: Date, through: Sender, admission: Admission): Promise<Beginning>;
  /** @throws CorruptRecordError when the record can't be read. */
  readTaken(id: string, through: Sender, taken: Taken): Begun;
  /** From now on the message goes through the mailbox that had it last and no other. */
  pin(id: string): Promise<void>;
  /** The only mailbox that a message to a pool may go through; undefined: any. */
  pinnedTo(id: string): Promise<string | undefined>;
  /** Notes, durably, that the final dot is about to go out; false when another worker has the message by now. */
  markFinalDot(id: string, token: string, now: Date): Promise<boolean>;
  /** Closes the attempt; when another worker has the message by now, only the attempt is noted. */
  finish(id: string, token: string, transition: Transition): Promise<void>;
  /** The same, and has the throttle take the result into account in one step with it; resolves to the throttle's answer. */
  close(id: string, token: string, transition: Transition, settlement: Settlement): Promise<number>;
  /** Ends a message that no worker has; false when one has it, or it is over. */
  endIdle(id: string, end: IdleEnd): Promise<boolean>;
  /** Forgets messages whose retention is over, up to `max` of them; tells how many there were. */
  sweep(now: Date, max: number): Promise<number>;
  /** Unfinished messages whose time is over, the longest overdue first. */
  overdue(now: Date, max: number): Promise<string[]>;
  /** Forgets the end of a message's time: nobody can end it. */
  forgetDeadline(id: string): Promise<void>;
  /** Undefined when the content is gone. @throws CorruptRecordError when it can't be read, or is not this message's. */
  readBody(message: Message, taken: Taken): Content | undefined;
}

/** What the record of a message holds that has just been accepted. */
export function newRecord(message: Message): Readonly<Record<'message' | 'status' | 'recipients', string>> {
  const { status, recipients } = newState(message);
  return { message: encodeMessage(message), status, recipients: JSON.stringify(recipients) };
}

const SCRIPTS = { ...RECORD_SCRIPTS, ...WORK_SCRIPTS, ...PRUNE_SCRIPTS };
type Scripts = LuaCalls<typeof SCRIPTS>;

export function openRecords(redis: RedisClient, keys: Keys, retentionMs: number, cipher: BodyCipher): Records {
  const scripts = defineLua(redis, SCRIPTS);
  const keysOf = (id: string) => ({ record: keys.record(id), body: keys.body(id) });
  return {
    find: async (id) => decodeRecord(id, await readable(redis.hgetall(keys.record(id)))),
    begin: (id, token, now, through, admission) => begin(redis, scripts, keys, id, token, now, through, admission),
    readTaken,
    pin: async (id) => {
      await redis.hset(keys.record(id), 'pinned', 1);
    },
    pinnedTo: (id) => pinnedTo(redis, keys, id),
    markFinalDot: async (id, token, now) => {
      const args = { token, nowMs: now.getTime() };
      return (await scripts.markFinalDot({ keys: { record: keys.record(id) }, args })) === 1;
    },
    noteAttempt: async (id, attempt) => {
      await scripts.noteInterrupted({ keys: { record: keys.record(id) }, args: { attempt: JSON.stringify(attempt) } });
    },
    finish: async (id, token, transition) => {
      await scripts.finish({ keys: keysOf(id), args: ending(keys, retentionMs, id, token, transition) });
    },
    close: (id, token, transition, settlement) =>
      scripts.complete({
        keys: { ...keysOf(id), ...settlement.keys },
        args: { ...ending(keys, retentionMs, id, token, transition), ...settlement.args },
      }),
    endIdle: (id, end) => endIdle(scripts, keys, retentionMs, id, end),
    sweep: (now, max) =>
      scripts.prune({ keys: { finished: keys.finished }, args: { prefix: keys.prefix, nowMs: now.getTime(), max } }),
    forgetDeadline: async (id) => {
      await redis.zrem(keys.deadlines, id);
    },
    overdue: (now, max) => redis.zrangebyscore(keys.deadlines, '-inf', now.getTime(), 'LIMIT', 0, max),
    readBody: (message, taken) => {
      const body = soundOf(taken.body);
      return body ? decodeContent(cipher.open(message, body)) : undefined;
    },
  };
}

async function pinnedTo(redis: RedisClient, keys: Keys, id: string): Promise<string | undefined> {
  try {
    const fields = await readable(redis.hmget(keys.record(id), 'pinned', 'finalDotAt', 'through'));
    const [pinned, finalDotAt, through] = fields;
    return pinned || finalDotAt ? decodeMailbox(through ?? '').id : undefined;
  } catch (error) {
    // Whoever takes the message up will find that it can't be read, and say so.
    if (error instanceof CorruptRecordError) return undefined;
    throw error;
  }
}

async function begin(
  redis: RedisClient,
  scripts: Scripts,
  keys: Keys,
  id: string,
  token: string,
  now: Date,
  through: Sender,
  admission: Admission,
): Promise<Beginning> {
  const [[action, waitMs], fields, body = null] = await scripts.claim({
    keys: { record: keys.record(id), body: keys.body(id), ...admission.keys },
    args: {
      prefix: keys.prefix,
      id,
      nowMs: now.getTime(),
      token,
      through: encodeSender(through),
      ...admission.args,
    },
  });
  if (fields) {
    const large = typeof body === 'number';
    return { kind: 'taken', taken: { fields, body: large ? await redis.getBuffer(keys.body(id)) : body } };
  }
  return { kind: 'wait', reason: action.toString() as WaitReason, waitMs };
}

function readTaken(id: string, sender: Sender, taken: Taken): Begun {
  const before = toObject(soundOf(taken.fields));
  // What the record says from now on, with what a worker that died left in it.
  const through = encodeSender(sender);
  const fields: RecordFields = { ...before, ...(before['message'] !== undefined && { through }) };
  const stored = decodeRecord(id, fields);
  if (!stored) return { kind: 'missing' };
  if (isFinal(stored.state.status)) return { kind: 'over', stored };
  const leftOpen = decodeLeftOpen(fields);
  return { kind: 'begun', stored, ...(leftOpen && { leftOpen }) };
}

function encodeSender({ id, address }: Sender): string {
  return JSON.stringify({ id, address });
}

function ending(
  { prefix }: Keys,
  retentionMs: number,
  id: string,
  token: string,
  { attempt, recipients, status, nextAttemptAt }: Transition,
): FinishArgs {
  return {
    prefix,
    id,
    token,
    attempt: JSON.stringify(attempt),
    recipients: JSON.stringify(recipients),
    status,
    nextAttemptAtMs: nextAttemptAt?.getTime() ?? '',
    finishedAtMs: isFinal(status) ? endOf(attempt) : '',
    retentionMs,
  };
}

async function endIdle(
  scripts: Scripts,
  keys: Keys,
  retentionMs: number,
  id: string,
  { attempt, recipients, status, endedAt }: IdleEnd,
): Promise<boolean> {
  const ended = await scripts.endIdle({
    keys: { record: keys.record(id), body: keys.body(id) },
    args: {
      prefix: keys.prefix,
      id,
      attempt: attempt ? JSON.stringify(attempt) : '',
      recipients: JSON.stringify(recipients),
      status,
      finishedAtMs: endedAt.getTime(),
      retentionMs,
    },
  });
  return ended === 1;
}

function endOf({ at, durationMs }: Attempt): number {
  return at.getTime() + durationMs;
}

/** A key that holds another type than it should is damaged, as one is that holds nonsense. */
async function readable<T>(answer: Promise<T>): Promise<T> {
  try {
    return await answer;
  } catch (cause) {
    throw cause instanceof Error ? asCorrupt(cause) : cause;
  }
}

function soundOf<T>(found: Found<T>): T {
  if (found instanceof Error) throw asCorrupt(found);
  return found;
}

function asCorrupt(cause: Error): Error {
  if (!cause.message.startsWith('WRONGTYPE')) return cause;
  return new CorruptRecordError('It is of another type than it should be.', { cause });
}

function toObject(flat: readonly Buffer[]): RecordFields {
  const fields: Record<string, string> = Object.create(null) as Record<string, string>;
  for (let i = 0; i + 1 < flat.length; i += 2) fields[String(flat[i])] = String(flat[i + 1]);
  return fields;
}
