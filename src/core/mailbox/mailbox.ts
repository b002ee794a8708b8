/** A mailbox that sends: who it is and which of Microsoft's limits it has. Its credential is not here. */
import { addressKey } from '../message/address.ts';

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

export interface Mailbox {
  /** Its address in lower case: the name of its queue and its place in the API. */
  readonly id: string;
  readonly address: string;
  /** Other addresses it may send as. */
  readonly sendAs: readonly string[];
  readonly limits: MailboxLimits;
}

/** A group of mailboxes: a message to it goes out through whichever member has most room. */
export interface MailboxPool {
  readonly name: string;
  readonly members: readonly [Mailbox, ...Mailbox[]];
}

/** All that a message may be sent through. */
export interface Directory {
  /** The first is the default. */
  readonly mailboxes: readonly Mailbox[];
  readonly pools: readonly MailboxPool[];
}

/** A pool as its senders see it: a mailbox with the room of all its members, and no more than each can carry. */
export function poolAsMailbox({ name, members }: MailboxPool): Mailbox {
  const limits = members.map((member) => member.limits);
  return {
    id: name,
    address: members[0].address,
    sendAs: members.flatMap(({ address, sendAs }) => [address, ...sendAs]),
    limits: {
      connections: sum(limits.map(({ connections }) => connections)),
      messagesPerMinute: sum(limits.map(({ messagesPerMinute }) => messagesPerMinute)),
      recipientsPerDay: sum(limits.map(({ recipientsPerDay }) => recipientsPerDay)),
      messageSizeBytesMax: Math.min(...limits.map(({ messageSizeBytesMax }) => messageSizeBytesMax)),
    },
  };
}

/** 0 = no limit, and so is a sum with it. */
function sum(limits: readonly number[]): number {
  return limits.includes(0) ? 0 : limits.reduce((total, limit) => total + limit, 0);
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
