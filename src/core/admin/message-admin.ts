/** What a person sees of messages, and can do with them. */
import type { Message, MessageState, MessageStatus } from '../message/message.ts';
import type { Blocked } from '../mailbox/status.ts';

export interface FoundMessage {
  readonly message: Message;
  readonly state: MessageState;
  /** How its mailbox or pool stands; told while the message waits for it. */
  readonly mailboxStatus?: Blocked;
  /** When its turn comes, while it waits for it. */
  readonly estimatedAt?: Date;
}

export interface MessageQuery {
  /** As it is told, see `publicStatus`. */
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

/** Which failed and expired messages are meant. */
export interface FailureQuery {
  readonly mailbox?: string;
  /** Finished then or later. */
  readonly since?: Date;
  /** Exchange's last reply had this code (`535`) or enhanced code (`5.7.3`). */
  readonly code?: string;
}

export type RetryOutcome = 'queued' | 'wrong-state' | 'content-gone';

/** Each of them rejects when Redis can't be asked. */
export interface MessageAdmin {
  /** Undefined when there is no such message. */
  find(id: string): Promise<FoundMessage | undefined>;
  /** Newest first. */
  list(query: MessageQuery): Promise<MessagePage>;
  /** False when a worker has it, or it is over. */
  cancel(id: string): Promise<boolean>;
  /** Queues a message again that failed, expired or waits for a person. */
  retry(id: string): Promise<RetryOutcome>;
  /** Queues failed and expired messages again; tells how many. */
  retryAll(query: FailureQuery): Promise<number>;
}
