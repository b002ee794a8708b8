/**
 * What came of handing a message to Exchange once, before anyone judges it. The SMTP reply says more than any library's
 * error code, so a reply is kept whenever there was one.
 */
import type { Reply } from '../message/message.ts';

/** How far the dialogue had come; `end` is the wait for the reply to the final dot. */
export type Stage = 'token' | 'connect' | 'greeting' | 'starttls' | 'auth' | 'mail' | 'rcpt' | 'data' | 'end';

export interface RefusedRecipient {
  readonly address: string;
  readonly reply: Reply;
}

export type Outcome =
  /** Exchange answered 250 to the final dot; some recipients may have been refused before. */
  | { readonly kind: 'accepted'; readonly reply: Reply; readonly refused: readonly RefusedRecipient[] }
  /** Exchange answered no; `refused` names the recipients when it said no to each of them. */
  | {
      readonly kind: 'refused';
      readonly stage: Stage;
      readonly reply: Reply;
      readonly refused: readonly RefusedRecipient[];
    }
  /** The connection failed or ended without an answer, and the message was not handed over. */
  | { readonly kind: 'broken'; readonly stage: Stage; readonly error: string; readonly code?: string }
  /** The connection ended between the final dot and its reply: Exchange may have taken the message. */
  | { readonly kind: 'unknown'; readonly error: string }
  /** The worker broke it off before the final dot, since it might have no connection any more. */
  | { readonly kind: 'given-up' }
  /** No access token: Entra's answer, or why it could not be asked. */
  | { readonly kind: 'no-token'; readonly error: string; readonly code?: string }
  /** The message can't be turned into bytes; no attempt at Exchange was made. */
  | { readonly kind: 'uncomposable'; readonly error: string };

/** A message on its way out: one attempt's worth. */
export interface DeliveryRequest {
  readonly from: string;
  readonly recipients: readonly string[];
  /** The composed message, RFC 5322, CRLF line ends. */
  readonly bytes: Uint8Array;
  /** Runs after the last byte and before the final dot: from its end on, a lost connection means `unknown`. */
  readonly markFinalDot: () => Promise<void>;
  /** Aborted when the message must not go out any more; once its final dot has, the answer is awaited all the same. */
  readonly signal: AbortSignal;
}

/** Hands one message to Exchange through a mailbox. Never throws for what Exchange, Entra or the network do. */
export type Deliver = (request: DeliveryRequest) => Promise<Outcome>;

const REPLY = /^(\d{3})(?:[ -](?:([245]\.\d{1,3}\.\d{1,3})(?:[ ]|$))?)?(.*)$/s;

/** What a terminal would obey instead of showing it. */
const CONTROL = /[\u0000-\u001f\u007f-\u009f]+/g;
/** A reply is kept with each attempt; RFC 5321 4.5.3.1.5 gives a line 512 bytes. */
const TEXT_LENGTH_MAX = 4_000;

/**
 * Reads a server's reply, of one line or several, into code, enhanced code and text; undefined when it is no reply.
 * Source: RFC 5321 4.2, RFC 2034 4 (the enhanced code is repeated on each line).
 */
export function parseReply(raw: string): Reply | undefined {
  const lines = raw
    .trim()
    .split(/\r?\n/)
    .map((line) => REPLY.exec(line));
  const [first] = lines;
  if (!first?.[1]) return undefined;
  const text = lines
    .map((line) => line?.[3]?.trim() ?? '')
    .join(' ')
    .replace(CONTROL, ' ')
    .trim()
    .slice(0, TEXT_LENGTH_MAX);
  return { code: Number(first[1]), ...(first[2] && { enhanced: first[2] }), text };
}

/** The reply on one line, as a log or a person reads it. */
export function formatReply({ code, enhanced, text }: Reply): string {
  return [code, enhanced, text].filter((part) => part !== undefined && part !== '').join(' ');
}
