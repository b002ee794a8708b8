/** One attempt at a message: composes it, hands it to Exchange, and decides what follows from the outcome. */
import type { Content, Message, MessageState } from '../message/message.ts';
import type { Deliver } from './deliver.ts';
import type { Outcome } from '../replies/outcome.ts';
import { type AttemptPolicy, transitionAfterAttempt } from './after-attempt.ts';
import { pendingRecipients, type Transition } from './transition.ts';
import { transitionWithoutAttempt } from './without-attempt.ts';

/** Turns a message into the bytes that are sent (RFC 5322, CRLF). The same message always gives the same bytes. */
export type Compose = (message: Message, content: Content) => Promise<Uint8Array>;

export interface AttemptDependencies {
  readonly compose: Compose;
  readonly deliver: Deliver;
  readonly policy: AttemptPolicy;
  readonly now: () => Date;
}

/** A message's loaded content, or why it could not be loaded. */
export type LoadedContent =
  | { readonly ok: true; readonly content: Content }
  | { readonly ok: false; readonly problem: string };

/** What one attempt needs to know. */
export interface AttemptRequest {
  readonly message: Message;
  readonly state: MessageState;
  readonly content: LoadedContent;
  /** Records durably that the final dot is about to go out. */
  readonly markFinalDot: () => Promise<void>;
  /** Aborted when the message must not go out any more. */
  readonly signal: AbortSignal;
}

export type RunAttempt = (request: AttemptRequest) => Promise<Transition>;

/** Never throws for what Exchange, Entra or the network do; a message that cannot be tried ends without an attempt. */
export function createAttempt({ compose, deliver, policy, now }: AttemptDependencies): RunAttempt {
  return async ({ message, state, content, markFinalDot, signal }) => {
    const startedAt = now();
    if (!content.ok) return transitionWithoutAttempt({ message, state, problem: content.problem }, startedAt);
    const ended = transitionWithoutAttempt({ message, state }, startedAt);
    if (ended) return ended;
    const bytes = await compose(message, content.content).catch((error: unknown) => asError(error));
    const outcome: Outcome =
      bytes instanceof Error
        ? { kind: 'uncomposable', error: bytes.message }
        : await deliver({
            from: message.from.address,
            recipients: pendingRecipients(state),
            bytes,
            markFinalDot,
            signal,
          });
    return transitionAfterAttempt(message, state, { outcome, startedAt, endedAt: now() }, policy);
  };
}

function asError(error: unknown): Error {
  return error instanceof Error ? error : new Error(String(error));
}
