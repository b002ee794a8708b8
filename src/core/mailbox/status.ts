/**
 * How a mailbox stands with Exchange: what it has used of its limits, and what holds it back. A fault of the mailbox is
 * no fault of the mail: it blocks the mailbox, and its messages wait.
 */
import type { Reply } from '../message/message.ts';

/** `paused` by a person; `held` by a fault; `throttled` by a limit, Microsoft's or the mailbox's own. */
export type MailboxState = 'open' | 'throttled' | 'held' | 'paused';

/** Why a mailbox is blocked, for a person. */
export interface Reason {
  readonly explanation: string;
  readonly fix?: string;
  /** Microsoft's page. */
  readonly source?: string;
  /** The row of the reply table. */
  readonly rule?: string;
  readonly reply?: Reply;
}

/** What holds a mailbox back now. */
export interface Backoff {
  readonly state: 'throttled' | 'held';
  readonly reason: Reason;
  /** The first wait, and the longest: each time in a row takes twice as long. */
  readonly firstWaitMs: number;
  readonly longestWaitMs: number;
  /** The wait that the reply itself asks for. */
  readonly askedWaitMs?: number;
  /** Exchange found too many connections: the mailbox does with fewer for a while. */
  readonly tooManyConnections?: boolean;
  /** A mailbox that is throttled so many times in a row is held. */
  readonly heldAfter?: number;
}

/** What an attempt shows about its mailbox. */
export type MailboxEffect =
  /** Exchange took the message, or may have taken it, for so many recipients: it counts against the limits. */
  | { readonly kind: 'took'; readonly recipients: number; readonly certain: boolean }
  /** Exchange judged the message itself, so the mailbox works. */
  | { readonly kind: 'works' }
  /** Nothing: a dropped connection, a passing trouble of Exchange. */
  | { readonly kind: 'nothing' }
  | { readonly kind: 'blocked'; readonly backoff: Backoff };

/** Whether a mailbox may send, and if not, why. */
export interface Blocked {
  readonly state: MailboxState;
  /** Since when it is not open. */
  readonly since?: Date;
  /** When it goes on, or when it is tried again. */
  readonly until?: Date;
  readonly reason?: Reason;
}

/** A mailbox's mailboxStatus, as the API shows it. */
export interface MailboxStatus extends Blocked {
  readonly usage: Usage;
}

export interface Usage {
  /** Connections that the workers may have open now. */
  readonly connections: number;
  /** Messages that Exchange took in the last minute. */
  readonly messagesPerMinute: number;
  /** Recipients that Exchange took in the last 24 hours. */
  readonly recipientsPerDay: number;
  /** Messages under way. */
  readonly underWay: number;
}

/** The mailbox's own limit of recipients is used up: it goes on when enough of them are 24 hours old. */
export function dayLimitReached(recipientsPerDay: number, waitMs: number): Backoff {
  const explanation =
    `The mailbox has sent to nearly all of the ${recipientsPerDay} recipients that it may have in 24 hours. Its messages ` +
    'wait until enough of these are more than 24 hours old.';
  return {
    state: 'throttled',
    reason: {
      rule: 'recipients-per-day',
      explanation,
      fix: 'Spread the mail over more mailboxes (a pool), or send bulk mail through High Volume Email.',
      source: 'exchange-online-limits (Microsoft Learn, service descriptions)',
    },
    firstWaitMs: waitMs,
    longestWaitMs: waitMs,
  };
}

/** A pool is held when all of its mailboxes are held or paused, and by the one that is tried first. */
export function statusOfPool(members: readonly [Blocked, ...Blocked[]]): Blocked {
  const working = members.find(({ state }) => state === 'open' || state === 'throttled');
  const held = members.filter(({ state }) => state === 'held').sort((a, b) => time(a.until) - time(b.until));
  return working ?? held[0] ?? members[0];
}

function time(date: Date | undefined): number {
  return date?.getTime() ?? 0;
}

/** Where messages stand whose mailbox or pool was taken out of the configuration: they wait until it is back. */
export function notConfigured(name: string): Blocked {
  return {
    state: 'held',
    reason: {
      rule: 'not-configured',
      explanation: `${name} is not in the configuration any more, so nobody sends its messages.`,
      fix: 'Put it back into relay365.yaml (or M365_MAILBOX) and send SIGHUP; or cancel its messages: DELETE /messages/{id}.',
    },
  };
}
