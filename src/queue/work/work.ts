/** The work on one ticket: takes the message up, makes an attempt, and closes it with what came of it. */
import { type Transition, pendingRecipients } from '../../core/deliver/conclusion.ts';
import type { Attempt, Content, Message, MessageState } from '../../core/message/message.ts';
import {
  expireWithoutAttempt,
  failWithoutAttempt,
  holdInterrupted,
  interruptedAttempt,
} from '../../core/deliver/without-attempt.ts';
import { CorruptRecordError, type LeftOpen, type StoredMessage } from '../records/codec.ts';
import { type Change, changeOf, type Throttle } from '../limits/throttle.ts';
import type { Place } from './semaphore.ts';
import type { Route } from './routes.ts';
import type { Beginning, Records, Taken } from '../records/records.ts';

export interface WorkDependencies {
  readonly records: Records;
  readonly throttle: Pick<Throttle, 'settle' | 'settlement'>;
  readonly now: () => Date;
  /** The place at the line's semaphore: without it, there is no connection for the message. */
  readonly place: Place;
  readonly events: {
    readonly completed: (message: Message, transition: Transition) => void;
    readonly interrupted: (message: Message, attempt: Attempt) => void;
    readonly unreadable: (id: string, reason: string) => void;
  };
}

export interface BeginDependencies {
  readonly records: Pick<Records, 'begin'>;
  readonly throttle: Pick<Throttle, 'admission' | 'refused' | 'settle'>;
  readonly now: () => Date;
}

/** After this many workers in a row died over a message, it is the message. */
const INTERRUPTIONS_MAX = 5;

/** What came of the message and what it changed for its mailbox, which has taken it into account. */
export interface Worked {
  readonly transition: Transition;
  readonly change: Change;
}

/** Takes a message up for an attempt through this mailbox, when that may send it now. */
export async function begin(
  id: string,
  token: string,
  recipients: number,
  { mailbox }: Pick<Route, 'mailbox'>,
  { records, throttle, now }: BeginDependencies,
): Promise<Beginning> {
  try {
    const admission = throttle.admission(mailbox, recipients);
    const beginning = await records.begin(id, token, now(), mailbox, admission);
    return beginning.kind === 'wait' ? await throttle.refused(mailbox, beginning) : beginning;
  } catch (error) {
    // It may have been admitted: as one under way it would hold up its mailbox.
    await throttle.settle(mailbox, id, { kind: 'nothing' });
    throw error;
  }
}

/** Undefined when the message is over already, or gone. */
export async function work(
  id: string,
  token: string,
  line: Route,
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
  const transition =
    left?.outcome === 'unknown' && line.unknown === 'hold'
      ? holdInterrupted(stored.state, left)
      : await runClaimed(left ? await note(stored, left, line, dependencies) : stored, token, line, dependencies);
  // Exchange may have taken it from this mailbox: another one would send other bytes.
  if (transition.attempt.outcome === 'unknown') await records.pin(id);
  const change = await close(id, token, line, transition, dependencies);
  events.completed(stored.message, transition);
  return { transition, change };
}

/** A result that blocks the mailbox takes two steps, the record's first: a worker may die between them. */
async function close(
  id: string,
  token: string,
  { mailbox }: Route,
  transition: Transition,
  { records, throttle }: WorkDependencies,
): Promise<Change> {
  const { effect } = transition;
  if (effect.kind !== 'blocked') {
    return changeOf(await records.close(id, token, transition, throttle.settlement(mailbox, effect)));
  }
  await records.finish(id, token, transition);
  return throttle.settle(mailbox, id, effect);
}

/** A message with its content, or why there is none. */
type LoadedMessage = StoredMessage & { readonly content: Content | string };

async function runClaimed(
  { message, state, content }: LoadedMessage,
  token: string,
  { runAttempt }: Route,
  { records, now, place }: WorkDependencies,
): Promise<Transition> {
  if (now() >= message.expiresAt) return expireWithoutAttempt(message, state, now());
  if (interruptionsInARow(state) >= INTERRUPTIONS_MAX) {
    return failWithoutAttempt(state, `${INTERRUPTIONS_MAX} workers in a row ended while they had this message.`, now());
  }
  if (typeof content === 'string') return failWithoutAttempt(state, content, now());
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

function leftAttempt({ startedAt, isDotOut }: LeftOpen, { unknown }: Route, now: Date): Attempt {
  return interruptedAttempt(startedAt, isDotOut, now, unknown);
}

/** Adds what a worker left behind to the message's attempts, before the next one begins. */
async function note(
  { message, state, ...rest }: LoadedMessage,
  attempt: Attempt,
  { mailbox }: Route,
  { records, throttle }: WorkDependencies,
): Promise<LoadedMessage> {
  await records.noteAttempt(message.id, attempt);
  if (attempt.outcome === 'unknown') {
    // Exchange may have taken it, so it counts against the limits, apart from the attempt that begins now.
    await throttle.settle(mailbox, `${message.id}:interrupted`, {
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
