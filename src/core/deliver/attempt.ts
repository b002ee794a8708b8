/** One attempt at a message: composes it, hands it to Exchange, and has the outcome decide what becomes of it. */
import { type AttemptPolicy, transitionAfter } from './transition.ts';
import { type Transition, pendingRecipients } from './conclusion.ts';
import type { Content, Message, MessageState } from '../message/message.ts';
import type { Deliver, Outcome } from '../replies/outcome.ts';

/** Turns a message into the bytes that are sent (RFC 5322, CRLF). The same message always gives the same bytes. */
export type Compose = (message: Message, content: Content) => Promise<Uint8Array>;

export interface AttemptDependencies {
  readonly compose: Compose;
  readonly deliver: Deliver;
  readonly policy: AttemptPolicy;
  readonly now: () => Date;
}

/** What one attempt needs to know. */
export interface AttemptRequest {
  readonly message: Message;
  readonly state: MessageState;
  readonly content: Content;
  /** Notes durably that the final dot is about to go out. */
  readonly markFinalDot: () => Promise<void>;
  readonly signal: AbortSignal;
}

export type RunAttempt = (request: AttemptRequest) => Promise<Transition>;

/** Composes the message, hands it to Exchange and decides what becomes of it. */
export function createAttempt({ compose, deliver, policy, now }: AttemptDependencies): RunAttempt {
  return async ({ message, state, content, markFinalDot, signal }) => {
    const startedAt = now();
    const bytes = await compose(message, content).catch((error: unknown) => asError(error));
    const outcome: Outcome =
      bytes instanceof Error
        ? { kind: 'uncomposable', error: bytes.message }
        : await deliver({
            from: message.from.address,
            recipients: pendingRecipients(state),
            bytes,
            markFinalDot: markFinalDot,
            signal,
          });
    return transitionAfter(message, state, outcome, { startedAt, endedAt: now() }, policy);
  };
}

function asError(error: unknown): Error {
  return error instanceof Error ? error : new Error(String(error));
}
