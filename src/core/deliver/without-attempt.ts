/** Transitions without an attempt: the message expired, it cannot be tried, or its worker died. */
import type { Reason } from '../mailbox/status.ts';
import type { Attempt, Message, MessageState } from '../message/message.ts';
import {
  AFTER_UNKNOWN,
  failPending,
  NO_EFFECT,
  pendingRecipients,
  type Transition,
  type UnknownPolicy,
} from './transition.ts';

/** When this many workers in a row died over a message, the message is at fault. */
const INTERRUPTIONS_MAX = 5;

/** A message that is about to be tried; `problem` says why it has no content. */
export interface BeforeAttempt {
  readonly message: Pick<Message, 'expiresAt'>;
  readonly state: MessageState;
  readonly problem?: string;
}

/** The end of a message that cannot be tried; undefined when it can. */
export function transitionWithoutAttempt(given: BeforeAttempt & { readonly problem: string }, now: Date): Transition;
export function transitionWithoutAttempt(given: BeforeAttempt, now: Date): Transition | undefined;
export function transitionWithoutAttempt(
  { message, state, problem }: BeforeAttempt,
  now: Date,
): Transition | undefined {
  if (now >= message.expiresAt) return expireWithoutAttempt(message, state, now);
  if (interruptionsInARow(state) >= INTERRUPTIONS_MAX)
    return failWithoutAttempt(state, `${INTERRUPTIONS_MAX} workers in a row died while they sent this message.`, now);
  return problem === undefined ? undefined : failWithoutAttempt(state, problem, now);
}

function interruptionsInARow({ attempts }: MessageState): number {
  return attempts.length - 1 - attempts.findLastIndex(({ outcome }) => outcome !== 'interrupted');
}

/** A message whose time ended while it waited; `reason` says what it waited for. */
export function expireWithoutAttempt(
  message: Pick<Message, 'expiresAt'>,
  state: MessageState,
  now: Date,
  reason?: Reason,
): Transition {
  const over = `The message's time was over at ${message.expiresAt.toISOString()}.`;
  const explanation = reason ? `${over} Its mailbox could not send: ${reason.explanation}` : over;
  return {
    attempt: {
      at: now,
      durationMs: 0,
      outcome: 'failed',
      explanation,
      ...(reason?.reply && { reply: reason.reply }),
      ...(reason?.fix && { fix: reason.fix }),
    },
    recipients: failPending(state.recipients),
    status: state.recipients.some(({ status }) => status === 'sent') ? 'sent' : 'expired',
    effect: NO_EFFECT,
  };
}

function failWithoutAttempt(state: MessageState, explanation: string, now: Date): Transition {
  return {
    attempt: { at: now, durationMs: 0, outcome: 'failed', explanation },
    recipients: failPending(state.recipients),
    status: 'failed',
    effect: NO_EFFECT,
  };
}

/** An attempt that a worker left open when it died. */
export interface OpenAttempt {
  readonly startedAt: Date;
  /** Whether the final dot may have gone out: then Exchange may have accepted the message. */
  readonly finalDotMarked: boolean;
}

/** The attempt that a worker left open, closed: `unknown` after the final dot, `interrupted` before it. */
export function interruptedAttempt(
  { startedAt, finalDotMarked }: OpenAttempt,
  now: Date,
  policy: UnknownPolicy,
): Attempt {
  const durationMs = now.getTime() - startedAt.getTime();
  if (!finalDotMarked) {
    const explanation = 'The worker died before it had sent the whole message. It is tried again.';
    return { at: startedAt, durationMs, outcome: 'interrupted', explanation };
  }
  const explanation =
    'The worker died while it waited for the reply to the message, so Exchange may have accepted it. ' +
    AFTER_UNKNOWN[policy];
  return { at: startedAt, durationMs, outcome: 'unknown', explanation };
}

/** A message whose last attempt was left open and that a person has to decide about. */
export function holdInterrupted(state: MessageState, attempt: Attempt): Transition {
  const recipients = pendingRecipients(state).length;
  return {
    attempt,
    recipients: state.recipients,
    status: 'held',
    effect: { kind: 'took', recipients, certain: false },
  };
}
