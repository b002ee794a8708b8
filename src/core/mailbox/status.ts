/**
 * The status of a mailbox: whether it may send, what blocks it, and what it has used of its limits. A fault of the mailbox
 * does not fail its messages: it blocks the mailbox, and they wait.
 */
import type { Reply } from '../message/message.ts';

/** `paused` by a person; `held` by a fault; `throttled` by a limit, Microsoft's or the mailbox's own. */
export type MailboxState = 'open' | 'throttled' | 'held' | 'paused';

/** Why a mailbox may not send, for a person. */
export interface Reason {
  readonly explanation: string;
  readonly fix?: string;
  /** Microsoft's page. */
  readonly source?: string;
  /** The row of the reply table. */
  readonly rule?: string;
  readonly reply?: Reply;
}

/** How long a mailbox stops sending after a fault. A held mailbox is an open circuit: one message probes it. */
export interface Backoff {
  readonly state: 'throttled' | 'held';
  readonly reason: Reason;
  /** The first wait, and the longest: each fault in a row doubles it. */
  readonly firstWaitMs: number;
  readonly longestWaitMs: number;
  /** The wait is known exactly: nothing is added to spread it. */
  readonly isExact?: boolean;
  /** The wait that the reply itself asks for. */
  readonly askedWaitMs?: number;
  /** Exchange found too many connections: the mailbox gets fewer for a while. */
  readonly tooManyConnections?: boolean;
  /** A mailbox that is throttled this many times in a row is held. */
  readonly heldAfter?: number;
}

/** What an attempt shows about its mailbox. */
export type MailboxEffect =
  /** Exchange accepted the message for so many recipients, or may have: it counts against the limits. */
  | { readonly kind: 'took'; readonly recipients: number; readonly certain: boolean }
  /** Exchange refused the message itself, so the mailbox works. */
  | { readonly kind: 'works' }
  /** Nothing: a dropped connection, or a temporary fault of Exchange. */
  | { readonly kind: 'nothing' }
  | { readonly kind: 'blocked'; readonly backoff: Backoff };

/** Whether a mailbox may send, and if not, why. */
export interface MailboxStatus {
  readonly state: MailboxState;
  /** When it stopped being open. */
  readonly since?: Date;
  /** When it goes on, or is tried again. */
  readonly until?: Date;
  readonly reason?: Reason;
}

/** The status of a mailbox and what it has used of its limits, read at one moment. */
export interface MailboxSnapshot extends MailboxStatus {
  readonly usage: Usage;
}

export interface Usage {
  /** Open connections, idle ones included. */
  readonly connections: number;
  /** Connections that workers may open, and have not opened yet. */
  readonly reservedConnections: number;
  /** Messages that Exchange accepted in the last minute. */
  readonly messagesPerMinute: number;
  /** Recipients that Exchange accepted in the last 24 hours. */
  readonly recipientsPerDay: number;
  /** Messages being sent now. */
  readonly underWay: number;
}

/** The mailbox has used up its recipients of the day: it goes on when enough of them are 24 hours old. */
export function dayLimitReached(recipientsPerDay: number, waitMs: number): Backoff {
  const explanation =
    `The mailbox has reached its limit of ${recipientsPerDay} recipients in 24 hours. Its messages wait until enough ` +
    'recipients are more than 24 hours old.';
  return {
    state: 'throttled',
    reason: {
      rule: 'recipients-per-day',
      explanation,
      fix: 'Spread the messages over more mailboxes (a pool), or send mail inside the tenant through High Volume Email.',
      source: 'exchange-online-limits (Microsoft Learn, service descriptions)',
    },
    firstWaitMs: waitMs,
    longestWaitMs: waitMs,
    isExact: true,
  };
}

/** A pool is held when all of its mailboxes are held or paused; it shows the one that is tried first. */
export function statusOfPool(members: readonly [MailboxStatus, ...MailboxStatus[]]): MailboxStatus {
  const working = members.find(({ state }) => state === 'open' || state === 'throttled');
  const held = members.filter(({ state }) => state === 'held').sort((a, b) => time(a.until) - time(b.until));
  return working ?? held[0] ?? members[0];
}

function time(date: Date | undefined): number {
  return date?.getTime() ?? 0;
}

/** The status of a mailbox or pool that was removed from the configuration: its messages wait until it is back. */
export function notConfigured(name: string): MailboxStatus {
  return {
    state: 'held',
    reason: {
      rule: 'not-configured',
      explanation: `${name} is no longer in the configuration, so its messages are not sent.`,
      fix: 'Put it back into relay365.yaml (or M365_MAILBOX) and send SIGHUP; or cancel its messages: DELETE /messages/{id}.',
    },
  };
}
