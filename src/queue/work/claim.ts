/** A message that a worker may send now: what it is, and how it is read from Redis's answer to a claim. */
import type { LoadedContent } from '../../core/deliver/attempt.ts';
import type { OpenAttempt } from '../../core/deliver/without-attempt.ts';
import { isFinal, type Message, type MessageState } from '../../core/message/message.ts';
import type { MailboxChange, WaitReason } from '../limits/throttle.ts';
import type { BodyCipher } from '../records/body-cipher.ts';
import {
  CorruptRecordError,
  decodeContent,
  decodeOpenAttempt,
  decodeRecord,
  encodeMailbox,
  type Found,
  toFields,
  readFound,
} from '../records/codec.ts';
import type { Route } from './routes.ts';
import type { Slot } from '../../lib/async.ts';

/** The job that brought the message to this worker. */
export interface ClaimedJob {
  readonly id: string;
  /** Sets this attempt apart from those of other workers. */
  readonly token: string;
  /** How many recipients the message counts as. */
  readonly recipients: number;
}

/** A message that this worker may send now. It must be released in the end. */
export interface Claim {
  readonly kind: 'claimed';
  readonly id: string;
  readonly token: string;
  readonly route: Route;
  /** Aborted when the connection for this message is lost. */
  readonly slot: Slot;
  readonly message: Message;
  readonly state: MessageState;
  readonly content: LoadedContent;
  /** The attempt that a dead worker left open. */
  readonly openAttempt?: OpenAttempt;
}

/** The message is over already, or its record is missing or corrupt. */
export type NothingToSend = { readonly kind: 'over' } | { readonly kind: 'unreadable'; readonly problem: string };

/** No route may send the message now. */
export interface Wait {
  readonly kind: 'wait';
  readonly waitMs: number;
  readonly refusals: readonly Refusal[];
}

/** A mailbox may not send now. */
export interface Refusal {
  readonly kind: 'refused';
  readonly mailbox: string;
  readonly reason: WaitReason;
  readonly waitMs: number;
  /** What the refusal changed for the mailbox. */
  readonly change?: MailboxChange;
}

/** What Redis had of a message when it was claimed. */
export interface ClaimedData {
  readonly fields: Found<readonly Buffer[]>;
  readonly body: Found<Buffer | null>;
}

/** What a claim is made for, and with. */
export interface Claiming {
  readonly job: ClaimedJob;
  readonly route: Route;
  readonly slot: Slot;
}

/** The claim; or why there is nothing to send. */
export function readClaim(
  { fields, body }: ClaimedData,
  { job, route, slot }: Claiming,
  cipher: BodyCipher,
): Claim | NothingToSend {
  try {
    // What the record says from now on, with what a dead worker left in it.
    const record = { ...toFields(readFound(fields)), through: encodeMailbox(route.mailbox) };
    const stored = decodeRecord(job.id, record);
    if (!stored) return { kind: 'unreadable', problem: 'There is no record of this message.' };
    const { message, state } = stored;
    if (isFinal(state.status)) return { kind: 'over' };
    const content = readContent(message, body, cipher);
    const openAttempt = decodeOpenAttempt(record);
    const { id, token } = job;
    return { kind: 'claimed', id, token, route, slot, message, state, content, ...(openAttempt && { openAttempt }) };
  } catch (error) {
    if (error instanceof CorruptRecordError) return { kind: 'unreadable', problem: error.message };
    throw error;
  }
}

function readContent(message: Message, body: Found<Buffer | null>, cipher: BodyCipher): LoadedContent {
  try {
    const sealed = readFound(body);
    if (!sealed) return { ok: false, problem: "The message's content is not in Redis any more." };
    return { ok: true, content: decodeContent(cipher.open(message, sealed)) };
  } catch (error) {
    if (!(error instanceof CorruptRecordError)) throw error;
    return { ok: false, problem: `The message's content cannot be read: ${error.message}` };
  }
}
