/**
 * One attempt at a message, from its state before to its state after. `conclude` is where it is decided what becomes
 * of a message; it is pure, and whoever keeps the state applies it.
 */
import { type Judgement, judge, judgeReply } from './judge.ts';
import type { Attempt, AttemptOutcome, Content, Message, MessageState, RecipientState, Reply } from './message.ts';
import type { Deliver, Outcome, RefusedRecipient } from './outcome.ts';
import { nextAttempt, type RetryPolicy } from './retry.ts';

/** When the attempt began and ended. */
export interface Span {
  readonly startedAt: Date;
  readonly endedAt: Date;
}

/** What an attempt changes: the message's state after it is the state before with these in place of the old ones. */
export interface Conclusion {
  readonly attempt: Attempt;
  readonly recipients: readonly RecipientState[];
  readonly status: 'sent' | 'deferred' | 'failed' | 'expired';
  /** Set when the status is `deferred`. */
  readonly nextAttemptAt?: Date;
}

/** Turns a message into the bytes that are sent (RFC 5322, CRLF). The same message always gives the same bytes. */
export type Compose = (message: Message, content: Content) => Promise<Uint8Array>;

export interface AttemptDependencies {
  readonly compose: Compose;
  readonly deliver: Deliver;
  readonly policy: RetryPolicy;
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

export type RunAttempt = (request: AttemptRequest) => Promise<Conclusion>;

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
            beforeFinalDot: markFinalDot,
            signal,
          });
    return conclude(message, state, outcome, { startedAt, endedAt: now() }, policy);
  };
}

/** What becomes of a message whose time was over before anyone tried it. */
export function expireUntried(message: Message, state: MessageState, now: Date): Conclusion {
  const explanation = `The message's time was over at ${message.expiresAt.toISOString()}, before it could be tried.`;
  return {
    attempt: { at: now, durationMs: 0, outcome: 'failed', explanation },
    recipients: giveUp(state.recipients),
    status: 'expired',
  };
}

/** What becomes of a message that can't be tried at all, such as one whose content is gone: it fails alone. */
export function giveUpUntried(state: MessageState, explanation: string, now: Date): Conclusion {
  return {
    attempt: { at: now, durationMs: 0, outcome: 'failed', explanation },
    recipients: giveUp(state.recipients),
    status: 'failed',
  };
}

/** The attempt that a worker left open when it died, as the record tells it. */
export function interruptedAttempt(startedAt: Date, finalDotSent: boolean, now: Date): Attempt {
  const durationMs = now.getTime() - startedAt.getTime();
  if (!finalDotSent) {
    const explanation = 'The worker ended before the message was handed over. It is tried again.';
    return { at: startedAt, durationMs, outcome: 'interrupted', explanation };
  }
  const explanation =
    'The worker ended while it waited for the answer to the message, so Exchange may have taken it. It is tried again ' +
    'with the same bytes and the same Message-ID.';
  return { at: startedAt, durationMs, outcome: 'unknown', explanation };
}

/** The recipients that an attempt addresses: those that Exchange has neither taken nor refused for good. */
export function pendingRecipients(state: Pick<MessageState, 'recipients'>): string[] {
  return state.recipients.filter(({ status }) => status === 'pending').map(({ address }) => address);
}

/** Decides what becomes of the message after this outcome. */
export function conclude(
  message: Pick<Message, 'expiresAt'>,
  state: Pick<MessageState, 'attempts' | 'recipients'>,
  outcome: Outcome,
  span: Span,
  policy: RetryPolicy,
): Conclusion {
  const recipients = applyToRecipients(state.recipients, outcome);
  const judgement = outcome.kind === 'accepted' ? undefined : judge(outcome);
  const pending = recipients.some(({ status }) => status === 'pending');
  const sent = recipients.some(({ status }) => status === 'sent');
  if (!pending) return finished(sent ? 'sent' : 'failed', recipients, outcome, judgement, span);
  const tries = state.attempts.filter((attempt) => attempt.outcome !== 'interrupted').length + 1;
  const next = nextAttempt(tries, span.endedAt, message.expiresAt, policy);
  if (next.kind === 'expire') return finished(sent ? 'sent' : 'expired', giveUp(recipients), outcome, judgement, span);
  const attempt = makeAttempt(outcome.kind === 'unknown' ? 'unknown' : 'deferred', outcome, judgement, span);
  return { attempt, recipients, status: 'deferred', nextAttemptAt: next.at };
}

function applyToRecipients(before: readonly RecipientState[], outcome: Outcome): RecipientState[] {
  return before.map((recipient) => (recipient.status === 'pending' ? applyToRecipient(recipient, outcome) : recipient));
}

function applyToRecipient(recipient: RecipientState, outcome: Outcome): RecipientState {
  const refusal = refusalOf(recipient.address, outcome);
  if (refusal) {
    const { verdict } = judgeReply(refusal.reply, 'rcpt');
    return { ...recipient, status: verdict === 'fail' ? 'failed' : 'pending', reply: refusal.reply };
  }
  if (outcome.kind === 'accepted') return { address: recipient.address, status: 'sent' };
  return judge(outcome).verdict === 'fail' ? { ...recipient, status: 'failed' } : recipient;
}

function refusalOf(address: string, outcome: Outcome): RefusedRecipient | undefined {
  if (outcome.kind !== 'accepted' && outcome.kind !== 'refused') return undefined;
  return outcome.refused.find((refused) => refused.address === address);
}

function giveUp(recipients: readonly RecipientState[]): RecipientState[] {
  return recipients.map((recipient) => (recipient.status === 'pending' ? { ...recipient, status: 'failed' } : recipient));
}

function finished(
  status: 'sent' | 'failed' | 'expired',
  recipients: readonly RecipientState[],
  outcome: Outcome,
  judgement: Judgement | undefined,
  span: Span,
): Conclusion {
  const made = makeAttempt(outcomeOfLast(status, outcome), outcome, judgement, span);
  if (status !== 'expired') return { attempt: made, recipients, status };
  const explanation = `${made.explanation} The message's time is over: it is not tried again.`;
  return { attempt: { ...made, explanation }, recipients, status };
}

function outcomeOfLast(status: 'sent' | 'failed' | 'expired', outcome: Outcome): AttemptOutcome {
  if (outcome.kind === 'unknown') return 'unknown';
  return status === 'sent' && outcome.kind === 'accepted' ? 'sent' : 'failed';
}

function asError(error: unknown): Error {
  return error instanceof Error ? error : new Error(String(error));
}

function makeAttempt(result: AttemptOutcome, outcome: Outcome, judgement: Judgement | undefined, span: Span): Attempt {
  const reply = replyOf(outcome);
  return {
    at: span.startedAt,
    durationMs: span.endedAt.getTime() - span.startedAt.getTime(),
    outcome: result,
    ...(reply && { reply }),
    explanation: judgement?.explanation ?? acceptedExplanation(outcome),
    ...(judgement?.fix && { fix: judgement.fix }),
  };
}

function replyOf(outcome: Outcome): Reply | undefined {
  return outcome.kind === 'accepted' || outcome.kind === 'refused' ? outcome.reply : undefined;
}

function acceptedExplanation(outcome: Outcome): string {
  const refused = outcome.kind === 'accepted' ? outcome.refused.map(({ address }) => address) : [];
  if (refused.length === 0) return 'Exchange took the message for delivery.';
  return `Exchange took the message for delivery, but not for ${refused.join(', ')}.`;
}
