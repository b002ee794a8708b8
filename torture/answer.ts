/** What a way in answers to a mail. */

export type Answer =
  | { readonly kind: 'accepted'; readonly id: string; readonly messageId: string }
  /** A problem document, or an SMTP reply of 4xx or 5xx. */
  | { readonly kind: 'refused'; readonly status: number; readonly type: string }
  /** The connection broke, or no answer came in time: nobody knows whether it was accepted. */
  | { readonly kind: 'no-answer'; readonly error: string };

/** Nobody listens there. */
export type NoOne = 'no one';

/** Nobody waits longer for an answer. */
export const ANSWER_MS_MAX = 10_000;
