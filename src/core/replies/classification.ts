/** What a fault means: whose fault it is, what relay365 does, and what a person reads about it. */

import type { Stage } from './outcome.ts';

/** Who is at fault: this connection, one recipient, this message, the mailbox or its credential, the whole tenant. */
export type Scope = 'connection' | 'recipient' | 'message' | 'mailbox' | 'tenant';

/** What relay365 does: try again, give up, hold the mailbox until its fault is fixed, or throttle the mailbox. */
export type Action = 'retry' | 'fail' | 'hold' | 'throttle';

/** One row of a table: a fault that Exchange, Entra or the network can report. */
export interface Fault {
  /** Its name in logs, in the status of a message and in docs/replies.md. It never changes. */
  readonly id: string;
  /** What the reply or error looks like, for the documentation. */
  readonly looks: string;
  readonly scope: Scope;
  readonly action: Action;
  /** What happened, in a sentence or two for a person. */
  readonly explanation: string;
  /** What to do: a command, or a place in a portal. */
  readonly fix?: string;
  /** Microsoft's page or another source for this row. */
  readonly source: string;
  /** Of `retry`: retries without a wait, because a new connection is enough. */
  readonly atOnce?: boolean;
  /** Of `retry`: the message fails after this many attempts. */
  readonly attemptsMax?: number;
  /** Of `hold` and `throttle`. Default: HOLD_WAIT, THROTTLE_WAIT. */
  readonly wait?: Wait;
  /** Of `throttle`: too many connections were open. */
  readonly tooManyConnections?: boolean;
  /** Of `throttle`: after more than this many in a row the mailbox is held. */
  readonly heldAfter?: number;
}

/**
 * A row for replies. A reply matches by its text, if its code is of the same class (4xx or 5xx). A reply whose text
 * matches no row is matched by its codes: all those that are set must fit.
 */
export interface ReplyFault extends Fault {
  /** The reply's codes. If unset, any code fits, but then the enhanced code must fit. */
  readonly codes?: readonly number[];
  /** The whole enhanced code (RFC 3463). */
  readonly enhanced?: RegExp;
  /** Matches a part of the text, in upper or lower case. */
  readonly text?: RegExp;
  /** Other faults have the same codes, so only the text decides. */
  readonly textOnly?: boolean;
  /** The stages at which it can occur. Default: all. */
  readonly stages?: readonly Stage[];
}

/** Each wait in a row is twice as long as the one before, from the first up to the longest. */
export interface Wait {
  readonly firstMs: number;
  readonly longestMs: number;
}

/** A fault that a person must fix. Some pass by themselves, so the first check is soon; later ones are five minutes apart. */
export const HOLD_WAIT: Wait = { firstMs: 10_000, longestMs: 5 * 60_000 };
/** A problem of the network or of Microsoft's servers. */
export const SHORT_WAIT: Wait = { firstMs: 2_000, longestMs: 2 * 60_000 };
/** Microsoft wants less mail. */
export const THROTTLE_WAIT: Wait = { firstMs: 15_000, longestMs: 10 * 60_000 };
/** A limit over 24 hours. */
export const DAY_WAIT: Wait = { firstMs: 30 * 60_000, longestMs: 2 * 3_600_000 };

/** What one failed attempt, or one refused recipient, was classified as. */
export interface Classification extends Omit<Fault, 'looks'> {
  /** False: no row matches, so only the class of the code decided. */
  readonly known: boolean;
  /** The wait that the reply itself asks for. */
  readonly askedWaitMs?: number;
}

/** Sources of the rows. */
export const SOURCES = {
  limits:
    'https://learn.microsoft.com/office365/servicedescriptions/exchange-online-service-description/exchange-online-limits',
  improvements: 'https://learn.microsoft.com/troubleshoot/exchange/send-emails/smtp-submission-improvements',
  submission:
    'https://learn.microsoft.com/exchange/clients-and-mobile-in-exchange-online/authenticated-client-smtp-submission',
  oauth:
    'https://learn.microsoft.com/exchange/client-developer/legacy-protocols/how-to-authenticate-an-imap-pop-smtp-application-by-using-oauth',
  ndr: 'https://learn.microsoft.com/exchange/mail-flow-best-practices/non-delivery-reports-in-exchange-online/non-delivery-reports-in-exchange-online',
  devices:
    'https://learn.microsoft.com/exchange/mail-flow-best-practices/how-to-set-up-a-multifunction-device-or-application-to-send-email-using-microsoft-365-or-office-365',
  entra: 'https://learn.microsoft.com/entra/identity-platform/reference-error-codes',
  rfc5321: 'RFC 5321',
} as const;
