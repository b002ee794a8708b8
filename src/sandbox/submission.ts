/** Checks a complete message at the end of its data, as Exchange does. */
import { type Headers, readSender } from './headers.ts';
import type { ExchangeLimits } from './limits.ts';
import type { Mailbox } from './mailbox.ts';
import * as replies from './replies.ts';

export interface Submission {
  readonly mailbox: Mailbox;
  readonly limits: ExchangeLimits;
  /** MAIL FROM */
  readonly from: string;
  readonly recipients: readonly string[];
  readonly raw: Buffer;
  readonly headers: Headers;
  readonly now: number;
}

export type SubmissionCheck =
  | { readonly kind: 'taken' /** How long the reply is delayed, in rate mode `delay`. */; readonly waitMs: number }
  | { readonly kind: 'refused'; readonly reply: string };

/** Whether Exchange accepts the message, and how long its reply waits. Has no side effects. */
export function checkSubmission(submission: Submission): SubmissionCheck {
  const { mailbox, limits, now } = submission;
  const refusal = refusalOfMessage(submission) ?? refusalOfMailbox(submission);
  if (refusal !== undefined) return { kind: 'refused', reply: refusal };
  const waitMs = mailbox.rateWaitMs(now, limits);
  if (waitMs === 0 || limits.messageRateMode === 'delay') return { kind: 'taken', waitMs };
  return { kind: 'refused', reply: replies.rateExceeded(limits.messageRateReply) };
}

function refusalOfMessage({ mailbox, limits, from, raw, headers }: Submission): string | undefined {
  if (isTooLarge(raw.length, limits)) return replies.REPLIES.tooLarge;
  const sender = readSender(headers);
  if (sender.kind === 'invalid') return replies.corruptHeaders(sender.problem);
  const senders = sender.kind === 'address' ? [from, sender.address] : [from];
  const foreign = senders.find((address) => !mailbox.maySendAs(address));
  return foreign === undefined ? undefined : replies.sendAsDenied(mailbox.address, foreign);
}

function refusalOfMailbox({ mailbox, limits, recipients, now }: Submission): string | undefined {
  if (mailbox.options.logonFailure) return replies.logonFailure();
  if (mailbox.options.full) return replies.mailboxFull();
  const used = mailbox.recipientsUsed(now) + recipients.length;
  return limits.recipientsPerDay > 0 && used > limits.recipientsPerDay ? replies.quotaExceeded() : undefined;
}

/** Whether a message of this size, announced or received, is over the limit. */
export function isTooLarge(sizeBytes: number, { messageSizeBytesMax }: ExchangeLimits): boolean {
  return messageSizeBytesMax > 0 && sizeBytes > messageSizeBytesMax;
}
