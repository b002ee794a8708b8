/** What an administrator sees of messages, and can do with them. */
import type { Message, MessageState, MessageStatus } from '../message/message.ts';
import type { MailboxStatus } from '../mailbox/status.ts';

export interface FoundMessage {
  readonly message: Message;
  readonly state: MessageState;
  /** How its mailbox or pool stands; sHown while the message waits for it. */
  readonly mailboxStatus?: MailboxStatus;
  /** When it will probably be sent, while it waits. */
  readonly estimatedAt?: Date;
}

/** A message by its id; another client's is as good as none. */
export interface MessageSelector {
  readonly id: string;
  /** Undefined: of any client. */
  readonly client?: string;
}

export interface MessageQuery {
  /** As it is shown, see `publicStatus`. */
  readonly status?: MessageStatus;
  /** A mailbox or a pool. */
  readonly mailbox?: string;
  /** Only this client's. */
  readonly client?: string;
  readonly limit: number;
  /** Where the last page ended. */
  readonly after?: MessagePlace;
}

export interface MessagePlace {
  readonly acceptedAtMs: number;
  readonly id: string;
}

export interface MessagePage {
  readonly items: readonly FoundMessage[];
  readonly next?: MessagePlace;
}

/** Selects failed and expired messages. */
export interface FailureQuery {
  readonly mailbox?: string;
  /** Finished then or later. */
  readonly since?: Date;
  /** Exchange's last reply had this code (`535`) or enhanced code (`5.7.3`). */
  readonly code?: string;
}

export type RetryOutcome = 'queued' | 'wrong-state' | 'content-gone';

export type CancelOutcome = 'canceled' | 'wrong-state';

/** What was done, and the message as it is after it. */
export interface Changed<Outcome> {
  readonly outcome: Outcome;
  readonly found: FoundMessage;
}

/**
 * Undefined stands for no such message. A call rejects with a `QueueUnavailableError` when Redis cannot be asked, and
 * with an `UnreadableMessageError` when the message's record is damaged.
 */
export interface MessageAdmin {
  find(which: MessageSelector): Promise<FoundMessage | undefined>;
  /** Newest first. */
  list(query: MessageQuery): Promise<MessagePage>;
  /** Cancels a message that waits; `wrong-state` when a worker has it, or it is final. */
  cancel(which: MessageSelector): Promise<Changed<CancelOutcome> | undefined>;
  /** Queues a message again that failed, expired or waits for a person. */
  retry(which: MessageSelector): Promise<Changed<RetryOutcome> | undefined>;
  /** Queues failed and expired messages again; returns how many. */
  retryAll(query: FailureQuery): Promise<number>;
}
