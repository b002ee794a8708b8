/** What becomes of a message without an attempt of its own: its time was over, it can't be tried, or its worker died. */
import {
  AFTER_UNKNOWN,
  type Transition,
  giveUp,
  NO_EFFECT,
  pendingRecipients,
  type UnknownPolicy,
} from './conclusion.ts';
import type { Attempt, Message, MessageState } from '../message/message.ts';
import type { Reason } from '../mailbox/status.ts';

/** What becomes of a message whose time is over while it waits; `reason` says what it waited for. */
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
    recipients: giveUp(state.recipients),
    status: state.recipients.some(({ status }) => status === 'sent') ? 'sent' : 'expired',
    effect: NO_EFFECT,
  };
}

/** What becomes of a message that can't be tried at all, such as one whose content is gone: it fails alone. */
export function failWithoutAttempt(state: MessageState, explanation: string, now: Date): Transition {
  return {
    attempt: { at: now, durationMs: 0, outcome: 'failed', explanation },
    recipients: giveUp(state.recipients),
    status: 'failed',
    effect: NO_EFFECT,
  };
}

/** The attempt that a worker left open when it died, as the record tells it. */
export function interruptedAttempt(startedAt: Date, finalDotSent: boolean, now: Date, policy: UnknownPolicy): Attempt {
  const durationMs = now.getTime() - startedAt.getTime();
  if (!finalDotSent) {
    const explanation = 'The worker ended before the message was handed over. It is tried again.';
    return { at: startedAt, durationMs, outcome: 'interrupted', explanation };
  }
  const explanation =
    'The worker ended while it waited for the answer to the message, so Exchange may have taken it. ' +
    AFTER_UNKNOWN[policy];
  return { at: startedAt, durationMs, outcome: 'unknown', explanation };
}

/** What becomes of a message whose attempt was left open and that waits for a person now. */
export function holdInterrupted(state: MessageState, attempt: Attempt): Transition {
  const recipients = pendingRecipients(state).length;
  return {
    attempt,
    recipients: state.recipients,
    status: 'held',
    effect: { kind: 'took', recipients, certain: false },
  };
}
