/** What a person sees of a mailbox, and can do with it. */
import type { Checkup } from './checkup.ts';
import type { Mailbox } from './mailbox.ts';
import type { Standing } from './standing.ts';

export interface MailboxReport {
  readonly mailbox: Mailbox;
  readonly standing: Standing;
  readonly queue: QueueDepth;
  /** The pools that it belongs to. */
  readonly pools: readonly string[];
}

/** Messages that are not over, by what they wait for. */
export interface QueueDepth {
  /** Their turn, or their mailbox. */
  readonly waiting: number;
  /** Their next attempt or their time. */
  readonly delayed: number;
  readonly underWay: number;
}

export interface MailboxDesk {
  /** Those that are not in the configuration any more and have messages come last. */
  list(): Promise<readonly MailboxReport[]>;
  /** Undefined when there is no such mailbox. */
  find(id: string): Promise<MailboxReport | undefined>;
  pause(id: string): Promise<void>;
  /** Ends a pause; a mailbox that is held or throttled is tried at once. */
  resume(id: string): Promise<void>;
  /** The doctor's checkup; undefined when there is no such mailbox. Takes up to a minute. */
  verify(id: string): Promise<Checkup | undefined>;
}
