/** The change that an attempt, or the lack of one, makes to a message and its mailbox. */
import type { MailboxEffect } from '../mailbox/status.ts';
import type { Attempt, MessageState, RecipientState } from '../message/message.ts';

/** A message's state after an attempt is its state before, with these values in place of the old ones. */
export interface Transition {
  readonly attempt: Attempt;
  readonly recipients: readonly RecipientState[];
  /** `queued`: it waits for its mailbox. `held`: the outcome is unknown and a person has to decide. */
  readonly status: 'sent' | 'deferred' | 'queued' | 'held' | 'failed' | 'expired';
  /** Set when the status is `deferred`. */
  readonly nextAttemptAt?: Date;
  readonly effect: MailboxEffect;
}

/** What follows an unknown outcome: try again, or wait for a person. */
export type UnknownPolicy = 'retry' | 'hold';

/** The effect of a result that says nothing about the mailbox. */
export const NO_EFFECT: MailboxEffect = { kind: 'nothing' };

export const AFTER_UNKNOWN: Readonly<Record<UnknownPolicy, string>> = {
  retry: 'It is tried again with the same bytes and the same Message-ID.',
  hold: 'It waits until someone retries it (POST /messages/{id}/retry) or cancels it (DELETE /messages/{id}).',
};

/** The recipients that an attempt addresses: those that Exchange has neither accepted nor refused for good. */
export function pendingRecipients(state: Pick<MessageState, 'recipients'>): string[] {
  return state.recipients.filter(({ status }) => status === 'pending').map(({ address }) => address);
}

/** The recipients when nothing more is tried: the pending ones have failed. */
export function failPending(recipients: readonly RecipientState[]): RecipientState[] {
  return recipients.map((recipient) =>
    recipient.status === 'pending' ? { ...recipient, status: 'failed' } : recipient,
  );
}
