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
