/**
 * Ends the messages whose time is over while they wait: for their mailbox, for their next attempt, for a person; and
 * forgets those whose retention is over. Each worker looks; a message is ended once.
 */
import { expireUntried } from '../core/attempt.ts';
import type { Conclusion } from '../core/attempt.ts';
import type { Message } from '../core/message.ts';
import type { Governor } from './governor.ts';
import type { Records } from './records.ts';

export interface ExpiryOptions {
  readonly records: Pick<Records, 'overdue' | 'find' | 'endIdle' | 'sweep'>;
  readonly governor: Pick<Governor, 'standing'>;
  readonly now: () => Date;
  readonly onExpired: (message: Message, conclusion: Conclusion) => void;
  readonly onError: (error: Error) => void;
}

export interface Expiry {
  close(): Promise<void>;
}

const CHECK_MS = 5_000;
const MESSAGES_A_TIME = 100;

export function openExpiry(options: ExpiryOptions): Expiry {
  let looking: Promise<void> | undefined;
  const look = () => {
    looking ??= expireOverdue(options)
      .then(() => forgetOld(options))
      .catch(options.onError)
      .finally(() => {
        looking = undefined;
      });
  };
  const timer = setInterval(look, CHECK_MS);
  return {
    close: async () => {
      clearInterval(timer);
      await looking;
    },
  };
}

async function forgetOld({ records, now }: ExpiryOptions): Promise<void> {
  while ((await records.sweep(now(), MESSAGES_A_TIME)) === MESSAGES_A_TIME);
}

async function expireOverdue({ records, governor, now, onExpired }: ExpiryOptions): Promise<void> {
  for (const id of await records.overdue(now(), MESSAGES_A_TIME)) {
    const stored = await records.find(id);
    if (!stored) continue;
    const { message, state } = stored;
    const { reason } = await governor.standing(message.mailbox);
    const conclusion = expireUntried(message, state, now(), reason);
    const { attempt, recipients } = conclusion;
    const status = conclusion.status === 'sent' ? 'sent' : 'expired';
    if (await records.endIdle(id, { status, attempt, recipients, endedAt: attempt.at })) onExpired(message, conclusion);
  }
}
