/** The work on one ticket: takes the message up, makes an attempt, and closes it with what came of it. */
import { type Conclusion, pendingRecipients } from '../../core/deliver/conclusion.ts';
import type { Attempt, Content, Message, MessageState } from '../../core/message/message.ts';
import {
  expireUntried,
  giveUpUntried,
  holdInterrupted,
  interruptedAttempt,
} from '../../core/deliver/without-attempt.ts';
import { CorruptRecordError, type LeftOpen, type StoredMessage } from '../records/codec.ts';
import { type Change, changeOf, type Governor } from '../limits/throttle.ts';
import type { Place } from './semaphore.ts';
import type { Line } from './routes.ts';
import type { Beginning, Records, Taken } from '../records/records.ts';

export interface WorkDependencies {
  readonly records: Records;
  readonly governor: Pick<Governor, 'settle' | 'settlement'>;
  readonly now: () => Date;
  /** The place at the line's gate: without it, there is no connection for the message. */
  readonly place: Place;
  readonly events: {
    readonly concluded: (message: Message, conclusion: Conclusion) => void;
    readonly interrupted: (message: Message, attempt: Attempt) => void;
    readonly unreadable: (id: string, reason: string) => void;
  };
}

export interface BeginDependencies {
  readonly records: Pick<Records, 'begin'>;
  readonly governor: Pick<Governor, 'admission' | 'refused' | 'settle'>;
  readonly now: () => Date;
}

/** After this many workers in a row died over a message, it is the message. */
const INTERRUPTIONS_MAX = 5;

/** What came of the message and what it changed for its mailbox, which has taken it into account. */
export interface Worked {
  readonly conclusion: Conclusion;
  readonly change: Change;
}

/** Takes a message up for an attempt through this mailbox, when that may send it now. */
export async function begin(
  id: string,
  token: string,
  recipients: number,
  { mailbox }: Pick<Line, 'mailbox'>,
  { records, governor, now }: BeginDependencies,
): Promise<Beginning> {
  try {
    const admission = governor.admission(mailbox, id, recipients);
    const beginning = await records.begin(id, token, now(), mailbox, admission);
    return beginning.kind === 'wait' ? await governor.refused(mailbox, beginning) : beginning;
  } catch (error) {
    // It may have been admitted: as one under way it would hold up its mailbox.
    await governor.settle(mailbox, id, { kind: 'nothing' });
    throw error;
  }
}

/** Undefined when the message is over already, or gone. */
export async function work(
  id: string,
  token: string,
  line: Line,
  taken: Taken,
  dependencies: WorkDependencies,
): Promise<Worked | undefined> {
  const { records, events, now } = dependencies;
  const begun = records.readTaken(id, line.mailbox, taken);
  if (begun.kind === 'missing') {
    events.unreadable(id, 'There is no record of this message.');
    return undefined;
  }
  if (begun.kind === 'over') return undefined;
  const stored = { ...begun.stored, content: readContent(begun.stored.message, taken, records) };
  const left = begun.leftOpen && leftAttempt(begun.leftOpen, line, now());
  if (left) events.interrupted(stored.message, left);
  const conclusion =
    left?.outcome === 'unknown' && line.unknown === 'hold'
      ? holdInterrupted(stored.state, left)
      : await concludeOne(left ? await note(stored, left, line, dependencies) : stored, token, line, dependencies);
  // Exchange may have taken it from this mailbox: another one would send other bytes.
  if (conclusion.attempt.outcome === 'unknown') await records.pin(id);
  const change = await close(id, token, line, conclusion, dependencies);
  events.concluded(stored.message, conclusion);
  return { conclusion, change };
}

/** A result that restrains the mailbox takes two steps, the record's first: a worker may die between them. */
async function close(
  id: string,
  token: string,
  { mailbox }: Line,
  conclusion: Conclusion,
  { records, governor }: WorkDependencies,
): Promise<Change> {
  const { effect } = conclusion;
  if (effect.kind !== 'restrained') {
    return changeOf(await records.close(id, token, conclusion, governor.settlement(mailbox, id, effect)));
  }
  await records.finish(id, token, conclusion);
  return governor.settle(mailbox, id, effect);
}

/** A message with its content, or why there is none. */
type LoadedMessage = StoredMessage & { readonly content: Content | string };

async function concludeOne(
  { message, state, content }: LoadedMessage,
  token: string,
  { runAttempt }: Line,
  { records, now, place }: WorkDependencies,
): Promise<Conclusion> {
  if (now() >= message.expiresAt) return expireUntried(message, state, now());
  if (interruptionsInARow(state) >= INTERRUPTIONS_MAX) {
    return giveUpUntried(state, `${INTERRUPTIONS_MAX} workers in a row ended while they had this message.`, now());
  }
  if (typeof content === 'string') return giveUpUntried(state, content, now());
  const markFinalDot = async () => {
    if (await records.markFinalDot(message.id, token, now())) return;
    throw new Error('Another worker has taken the message over, since this one was cut off for too long.');
  };
  return runAttempt({ message, state, content, markFinalDot, signal: place });
}

/** The content, or why there is none. */
function readContent(message: Message, taken: Taken, records: Records): Content | string {
  try {
    return records.readBody(message, taken) ?? "The message's content is not in Redis any more.";
  } catch (error) {
    if (!(error instanceof CorruptRecordError)) throw error;
    return `The message's content can't be read: ${error.message}`;
  }
}

function leftAttempt({ startedAt, isDotOut }: LeftOpen, { unknown }: Line, now: Date): Attempt {
  return interruptedAttempt(startedAt, isDotOut, now, unknown);
}

/** Adds what a worker left behind to the message's attempts, before the next one begins. */
async function note(
  { message, state, ...rest }: LoadedMessage,
  attempt: Attempt,
  { mailbox }: Line,
  { records, governor }: WorkDependencies,
): Promise<LoadedMessage> {
  await records.noteAttempt(message.id, attempt);
  if (attempt.outcome === 'unknown') {
    // Exchange may have taken it, so it counts against the limits, apart from the attempt that begins now.
    await governor.settle(mailbox, `${message.id}:interrupted`, {
      kind: 'took',
      recipients: pendingRecipients(state).length,
      certain: false,
    });
  }
  return { ...rest, message, state: { ...state, attempts: [...state.attempts, attempt] } };
}

function interruptionsInARow(state: MessageState): number {
  const last = state.attempts.findLastIndex(({ outcome }) => outcome !== 'interrupted');
  return state.attempts.length - 1 - last;
}
