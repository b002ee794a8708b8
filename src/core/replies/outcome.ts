/**
 * The result of one attempt to hand a message to Exchange, not yet classified. The SMTP reply says more than any
 * library's error code, so a reply is kept whenever there was one.
 */
import type { Reply } from '../message/message.ts';

/** How far the attempt got. `end` is the wait for the reply to the final dot. */
export type Stage = 'token' | 'connect' | 'greeting' | 'starttls' | 'auth' | 'mail' | 'rcpt' | 'data' | 'end';

export interface RefusedRecipient {
  readonly address: string;
  readonly reply: Reply;
}

export type Outcome =
  /** Exchange answered 250 to the final dot. Some recipients may have been refused before. */
  | { readonly kind: 'accepted'; readonly reply: Reply; readonly refused: readonly RefusedRecipient[] }
  /** Exchange refused. `refused` names the recipients when it refused each of them. */
  | {
      readonly kind: 'refused';
      readonly stage: Stage;
      readonly reply: Reply;
      readonly refused: readonly RefusedRecipient[];
    }
  /** The connection failed or ended without a reply, and the message was not handed over. */
  | { readonly kind: 'broken'; readonly stage: Stage; readonly error: string; readonly code?: string }
  /** The connection ended between the final dot and its reply, so Exchange may have accepted the message. */
  | { readonly kind: 'unknown'; readonly error: string }
  /** The worker stopped before the final dot, because its connection lease may have expired. */
  | { readonly kind: 'given-up' }
  /** No access token. `error` is Entra's answer, or why Entra could not be asked. */
  | { readonly kind: 'no-token'; readonly error: string; readonly code?: string }
  /** The message cannot be turned into bytes. Exchange was not asked. */
  | { readonly kind: 'uncomposable'; readonly error: string };

/** What one attempt sends. */
export interface DeliveryRequest {
  readonly from: string;
  readonly recipients: readonly string[];
  /** The composed message, RFC 5322, CRLF line ends. */
  readonly bytes: Uint8Array;
  /** Called after the last byte and before the final dot. Once it resolves, a lost connection means `unknown`. */
  readonly markFinalDot: () => Promise<void>;
  /** Aborted when the message must no longer be sent. After the final dot the reply is awaited anyway. */
  readonly signal: AbortSignal;
}

/** Hands one message to Exchange through a mailbox. Failures of Exchange, Entra and the network are outcomes; it does not throw for them. */
export type Deliver = (request: DeliveryRequest) => Promise<Outcome>;

const REPLY = /^(\d{3})(?:[ -](?:([245]\.\d{1,3}\.\d{1,3})(?:[ ]|$))?)?(.*)$/s;

/** Control characters: a terminal would execute some of them. */
const CONTROL = /[\u0000-\u001f\u007f-\u009f]+/g;
/** The text is stored with each attempt. RFC 5321 4.5.3.1.5 limits one line to 512 bytes. */
const TEXT_LENGTH_MAX = 4_000;

/**
 * Reads a server's reply, of one line or several, into code, enhanced code and text. Undefined if it is not a reply.
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

/** The reply on one line, for logs and people. */
export function formatReply({ code, enhanced, text }: Reply): string {
  return [code, enhanced, text].filter((part) => part !== undefined && part !== '').join(' ');
}
