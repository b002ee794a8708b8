/** The answer of an API to a message, by either protocol. */

export type Answer =
  | { readonly kind: 'accepted'; readonly id: string; readonly messageId: string }
  /** A problem document, or an SMTP reply of 4xx or 5xx. */
  | { readonly kind: 'refused'; readonly status: number; readonly type: string }
  /** The connection broke, or no answer came in time: whether the message was accepted is unknown. */
  | { readonly kind: 'no-answer'; readonly error: string };

/** Nothing listens there. */
export type NotListening = 'not-listening';

/** A client waits no longer than this for an answer. */
export const ANSWER_MS_MAX = 10_000;
