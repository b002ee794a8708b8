/** A mailbox that sends: who it is and which of Microsoft's limits it has. Its credential is not here. */
import { addressKey } from './address.ts';

export interface MailboxLimits {
  /** Connections open to Exchange at a time; 0 = no limit. */
  readonly connections: number;
  /** Messages that Exchange accepts in any 60 s; 0 = no limit. */
  readonly messagesPerMinute: number;
  /** Recipients in any 24 h; 0 = no limit. */
  readonly recipientsPerDay: number;
  /** A composed message's size. */
  readonly messageSizeBytesMax: number;
}

/**
 * Exchange Online's limits of a mailbox.
 * Source: exchange-online-limits (Microsoft Learn, service descriptions).
 */
export const EXCHANGE_LIMITS: MailboxLimits = {
  connections: 3,
  messagesPerMinute: 30,
  recipientsPerDay: 10_000,
  messageSizeBytesMax: 35 * 1024 * 1024,
};

/** Recipients of one message, the default of `RecipientLimits` (up to 1,000 by setting). */
export const RECIPIENTS_MAX = 500;

export interface Mailbox {
  /** Its address in lower case: the name of its queue and its place in the API. */
  readonly id: string;
  readonly address: string;
  /** Other addresses it may send as. */
  readonly sendAs: readonly string[];
  readonly limits: MailboxLimits;
}

/** The mailbox that may send as this address, undefined when none may. */
export function ownerOf(mailboxes: readonly Mailbox[], address: string): Mailbox | undefined {
  const key = addressKey(address);
  return (
    mailboxes.find((mailbox) => mailbox.id === key) ??
    mailboxes.find((mailbox) => mailbox.sendAs.some((other) => addressKey(other) === key))
  );
}

export function maySendAs(mailbox: Mailbox, address: string): boolean {
  return ownerOf([mailbox], address) !== undefined;
}
