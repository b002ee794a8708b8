/** What is decided of a message after an attempt, or in place of one, and what all who decide it share. */
import type { Attempt, MessageState, RecipientState } from '../message/message.ts';
import type { MailboxEffect } from '../mailbox/status.ts';

/** What an attempt changes: the message's state after it is the state before with these in place of the old ones. */
export interface Transition {
  readonly attempt: Attempt;
  readonly recipients: readonly RecipientState[];
  /** `queued`: it waits for its mailbox. `held`: nobody knows whether it was sent, and a person has to say. */
  readonly status: 'sent' | 'deferred' | 'queued' | 'held' | 'failed' | 'expired';
  /** Set when the status is `deferred`. */
  readonly nextAttemptAt?: Date;
  readonly effect: MailboxEffect;
}

/** What follows when nobody knows whether Exchange took a message: try again, or wait for a person. */
export type UnknownPolicy = 'retry' | 'hold';

/** The effect of a result that says nothing of the mailbox. */
export const NO_EFFECT: MailboxEffect = { kind: 'nothing' };

export const AFTER_UNKNOWN: Readonly<Record<UnknownPolicy, string>> = {
  retry: 'It is tried again with the same bytes and the same Message-ID.',
  hold: 'It waits until someone retries it (POST /messages/{id}/retry) or cancels it (DELETE /messages/{id}).',
};

/** The recipients that an attempt addresses: those that Exchange has neither taken nor refused for good. */
export function pendingRecipients(state: Pick<MessageState, 'recipients'>): string[] {
  return state.recipients.filter(({ status }) => status === 'pending').map(({ address }) => address);
}

/** The recipients as they are when nothing more is tried: those that wait have failed. */
export function giveUp(recipients: readonly RecipientState[]): RecipientState[] {
  return recipients.map((recipient) =>
    recipient.status === 'pending' ? { ...recipient, status: 'failed' } : recipient,
  );
}
