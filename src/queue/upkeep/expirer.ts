/**
 * Ends messages whose time is over while they wait: for their mailbox, for their next attempt, or for a person. All workers
 * look for them; a message is ended once.
 */
import type { Transition } from '../../core/deliver/transition.ts';
import type { Message } from '../../core/message/message.ts';
import type { MailboxStatus } from '../../core/mailbox/status.ts';
import { expireWithoutAttempt } from '../../core/deliver/without-attempt.ts';
import { CorruptRecordError, type StoredMessage } from '../records/codec.ts';
import type { Records } from '../records/records.ts';
import { openPeriodic, type Periodic } from '../../lib/async.ts';

export interface ExpirerOptions {
  readonly records: Pick<Records, 'overdue' | 'find' | 'endIdle' | 'forgetDeadline'>;
  /** What the message waits for. */
  readonly mailboxStatusOf: (stored: StoredMessage) => Promise<MailboxStatus>;
  readonly now: () => Date;
  readonly onExpired: (message: Message, transition: Transition) => void;
  /** A record that cannot be read cannot be ended either. */
  readonly onUnreadable: (id: string, reason: string) => void;
  readonly onError: (error: Error) => void;
  readonly checkMs?: number;
}

const CHECK_MS = 5_000;
const MESSAGES_A_TIME = 100;

export function openExpirer(options: ExpirerOptions): Periodic {
  return openPeriodic(options.checkMs ?? CHECK_MS, () => expireOverdue(options), options.onError);
}

async function expireOverdue(options: ExpirerOptions): Promise<void> {
  const { records, now, onUnreadable } = options;
  for (const id of await records.overdue(now(), MESSAGES_A_TIME)) {
    try {
      await expire(id, options);
    } catch (error) {
      if (!(error instanceof CorruptRecordError)) throw error;
      // Otherwise it would come again and again, before all others.
      await records.forgetDeadline(id);
      onUnreadable(id, error.message);
    }
  }
}

async function expire(id: string, { records, mailboxStatusOf, now, onExpired }: ExpirerOptions): Promise<void> {
  const stored = await records.find(id);
  if (!stored) return records.forgetDeadline(id);
  const { message, state } = stored;
  const { reason } = await mailboxStatusOf(stored);
  const transition = expireWithoutAttempt(message, state, now(), reason);
  const { attempt, recipients } = transition;
  const status = transition.status === 'sent' ? 'sent' : 'expired';
  if (await records.endIdle(id, { status, attempt, recipients, endedAt: attempt.at })) onExpired(message, transition);
}
