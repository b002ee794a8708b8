/** What an administrator sees of a mailbox, and can do with it. */
import type { Diagnosis } from './diagnosis.ts';
import type { Mailbox } from '../mailbox/mailbox.ts';
import type { Blocked, MailboxStatus } from '../mailbox/status.ts';

export interface MailboxReport {
  readonly mailbox: Mailbox;
  readonly mailboxStatus: MailboxStatus;
  /** Without the messages of its pools. */
  readonly queue: QueueDepth;
  /** The pools that it belongs to. */
  readonly pools: readonly string[];
}

/** A pool, whose messages wait in a queue of their own. Its mailboxes are listed among the others. */
export interface PoolReport {
  readonly name: string;
  readonly mailboxes: readonly string[];
  readonly mailboxStatus: Blocked;
  readonly queue: QueueDepth;
}

/** Messages that are not final, by what they wait for. */
export interface QueueDepth {
  /** Their turn, or their mailbox. */
  readonly waiting: number;
  /** Their next attempt or their time. */
  readonly delayed: number;
  readonly underWay: number;
}

export interface MailboxAdmin {
  /** Mailboxes that are no longer configured but have messages come last. */
  list(): Promise<readonly MailboxReport[]>;
  pools(): Promise<readonly PoolReport[]>;
  /** Undefined for an unknown mailbox. */
  find(id: string): Promise<MailboxReport | undefined>;
  pause(id: string): Promise<void>;
  /** Ends a pause; a mailbox that is held or throttled is tried at once. */
  resume(id: string): Promise<void>;
  /** The doctor's diagnosis, which takes up to a minute; undefined for an unknown mailbox. */
  verify(id: string): Promise<Diagnosis | undefined>;
}
