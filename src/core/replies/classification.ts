/** What a fault means: whose it is, what follows, and how to say it to a person. */

import type { Stage } from './outcome.ts';

/** Who is at fault: this connection, one recipient, this message, the mailbox or its credential, the whole tenant. */
export type Scope = 'connection' | 'recipient' | 'message' | 'mailbox' | 'tenant';

/** What follows: try again, give up, hold the mailbox until its fault is mended, throttle the mailbox. */
export type Action = 'retry' | 'fail' | 'hold' | 'throttle';

/** One row of a table: a fault that Microsoft, Entra or the network can answer with. */
export interface Fault {
  /** Its name in logs, status and docs/replies.md; never changes. */
  readonly id: string;
  /** How it looks, for the documentation. */
  readonly looks: string;
  readonly scope: Scope;
  readonly action: Action;
  /** What happened, in a sentence or two for a person. */
  readonly explanation: string;
  /** What mends it: a command or a place in a portal. */
  readonly fix?: string;
  /** Microsoft's page, or where else this is known from. */
  readonly source: string;
  /** Of `retry`: the wait is for nothing, a new connection is all that is needed. */
  readonly atOnce?: boolean;
  /** Of `retry`: after so many attempts the message has failed. */
  readonly attemptsMax?: number;
  /** Of `hold` and `throttle`. Default: HOLD_WAIT, THROTTLE_WAIT. */
  readonly wait?: Wait;
  /** Of `throttle`: too many connections were open. */
  readonly tooManyConnections?: boolean;
  /** Of `throttle`: when it comes so many times in a row, the mailbox is held. */
  readonly heldAfter?: number;
}

/**
 * A row for replies. Its text decides by itself, with whatever code of the same class it comes; its codes, all that are
 * set, decide on a reply whose text no row knows.
 */
export interface ReplyFault extends Fault {
  /** The reply's codes; unset: any, but then the enhanced code must fit. */
  readonly codes?: readonly number[];
  /** The whole enhanced code (RFC 3463). */
  readonly enhanced?: RegExp;
  /** Somewhere in the text, in any case. */
  readonly text?: RegExp;
  /** The codes are those of other faults too: only the text decides. */
  readonly textAlone?: boolean;
  /** Where it can come; unset: anywhere. */
  readonly stages?: readonly Stage[];
}

/** The first wait, and the longest: each one in a row is twice as long as the one before. */
export interface Wait {
  readonly firstMs: number;
  readonly longestMs: number;
}

/** A fault that a person must mend: looked at soon, for some faults pass, and then every five minutes. */
export const HOLD_WAIT: Wait = { firstMs: 10_000, longestMs: 5 * 60_000 };
/** A trouble of the network or of Microsoft's servers. */
export const SHORT_WAIT: Wait = { firstMs: 2_000, longestMs: 2 * 60_000 };
/** Microsoft asks for less. */
export const THROTTLE_WAIT: Wait = { firstMs: 15_000, longestMs: 10 * 60_000 };
/** A limit over 24 hours. */
export const DAY_WAIT: Wait = { firstMs: 30 * 60_000, longestMs: 2 * 3_600_000 };

/** A fault that was met. */
export interface Classification extends Omit<Fault, 'looks'> {
  /** False: no table knows it, and its class alone has decided. */
  readonly known: boolean;
  /** The wait that the answer itself asks for. */
  readonly askedWaitMs?: number;
}

/** Where the facts are from. */
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
