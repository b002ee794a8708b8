/**
 * What becomes of a message after an attempt: its state before and the outcome give its state after. It is pure, and
 * whoever keeps the state applies it.
 */
import { AFTER_UNKNOWN, type Transition, giveUp, NO_EFFECT, type UnknownPolicy } from './conclusion.ts';
import { classify, classifyReply } from '../replies/classify.ts';
import type { Classification } from '../replies/classification.ts';
import type { Attempt, AttemptOutcome, Message, MessageState, RecipientState, Reply } from '../message/message.ts';
import type { Outcome, RefusedRecipient } from '../replies/outcome.ts';
import { backoffOf } from '../mailbox/backoff.ts';
import { type NextAttempt, nextAttempt, type RetryPolicy } from './retry.ts';
import type { MailboxEffect } from '../mailbox/status.ts';

/** When the attempt began and ended. */
export interface Span {
  readonly startedAt: Date;
  readonly endedAt: Date;
}

export interface AttemptPolicy extends RetryPolicy {
  readonly unknown: UnknownPolicy;
}

/** Decides what becomes of the message after this outcome. */
export function transitionAfter(
  message: Pick<Message, 'expiresAt'>,
  state: Pick<MessageState, 'attempts' | 'recipients' | 'retriedAt'>,
  outcome: Outcome,
  span: Span,
  policy: AttemptPolicy,
): Transition {
  const tries = 1 + triesOf(state);
  const classification = outcome.kind === 'accepted' ? undefined : classify(outcome);
  const recipients = applyToRecipients(state.recipients, outcome, tries);
  const effect = effectOf(outcome, classification, state.recipients, recipients);
  const end = (status: 'sent' | 'failed' | 'expired', last = recipients) =>
    finished(status, last, outcome, classification, span, effect);
  const sent = recipients.some(({ status }) => status === 'sent');
  if (!recipients.some(({ status }) => status === 'pending')) return end(sent ? 'sent' : 'failed');
  const next = nextStep(outcome, classification, tries, span, message, policy);
  if (next.kind === 'expire') return end(sent ? 'sent' : 'expired', giveUp(recipients));
  const made = makeAttempt(resultOf(outcome, effect), outcome, classification, span);
  const attempt =
    outcome.kind === 'unknown'
      ? { ...made, explanation: `${sentence(made.explanation)} ${AFTER_UNKNOWN[policy.unknown]}` }
      : made;
  if (next.kind !== 'retry') return { attempt, recipients, status: next.kind, effect };
  return { attempt, recipients, status: 'deferred', nextAttemptAt: next.at, effect };
}

/** How often the message was tried since it was accepted, or since someone had it tried anew. */
function triesOf({ attempts, retriedAt }: Pick<MessageState, 'attempts' | 'retriedAt'>): number {
  return attempts.filter((attempt) => isTry(attempt) && (retriedAt === undefined || attempt.at >= retriedAt)).length;
}

/** An attempt that says nothing of the message does not count: its mailbox was blocked, or its worker died. */
function isTry({ outcome }: Attempt): boolean {
  return outcome !== 'interrupted' && outcome !== 'held' && outcome !== 'throttled';
}

type NextStep = NextAttempt | { readonly kind: 'queued' | 'held' };

function nextStep(
  outcome: Outcome,
  classification: Classification | undefined,
  tries: number,
  span: Span,
  message: Pick<Message, 'expiresAt'>,
  policy: AttemptPolicy,
): NextStep {
  if (outcome.kind === 'unknown' && policy.unknown === 'hold') return { kind: 'held' };
  const blocks = classification?.action === 'hold' || classification?.action === 'throttle';
  if (blocks) return span.endedAt < message.expiresAt ? { kind: 'queued' } : { kind: 'expire' };
  if (isAtOnce(outcome, classification, tries)) return { kind: 'retry', at: span.endedAt };
  return nextAttempt(tries, span.endedAt, message.expiresAt, policy, classification?.askedWaitMs);
}

/** Another connection or another transaction is all that the message needs; but not for ever. */
function isAtOnce(outcome: Outcome, classification: Classification | undefined, tries: number): boolean {
  if (tries > AT_ONCE_MAX) return false;
  if (outcome.kind !== 'accepted') return classification?.atOnce === true;
  return outcome.refused.some(({ reply }) => classifyReply(reply, 'rcpt').atOnce === true);
}

const AT_ONCE_MAX = 3;

/** What this outcome shows about the mailbox. */
function effectOf(
  outcome: Outcome,
  classification: Classification | undefined,
  before: readonly RecipientState[],
  after: readonly RecipientState[],
): MailboxEffect {
  const addressed = before.filter(({ status }) => status === 'pending').length;
  if (outcome.kind === 'unknown') return { kind: 'took', recipients: addressed, certain: false };
  if (outcome.kind === 'accepted') {
    const taken = after.filter(({ status }, i) => status === 'sent' && before[i]?.status === 'pending').length;
    return { kind: 'took', recipients: taken, certain: true };
  }
  const backoff = classification && backoffOf(classification, replyOf(outcome));
  if (backoff) return { kind: 'blocked', backoff };
  const blamesTheMessage = classification?.scope === 'message' || classification?.scope === 'recipient';
  return outcome.kind === 'refused' && blamesTheMessage ? { kind: 'works' } : NO_EFFECT;
}

function resultOf(outcome: Outcome, effect: MailboxEffect): AttemptOutcome {
  if (outcome.kind === 'unknown') return 'unknown';
  return effect.kind === 'blocked' ? effect.backoff.state : 'deferred';
}

function applyToRecipients(before: readonly RecipientState[], outcome: Outcome, tries: number): RecipientState[] {
  return before.map((recipient) =>
    recipient.status === 'pending' ? applyToRecipient(recipient, outcome, tries) : recipient,
  );
}

function applyToRecipient(recipient: RecipientState, outcome: Outcome, tries: number): RecipientState {
  const refusal = refusalOf(recipient.address, outcome);
  if (refusal) {
    const status = isFinal(classifyReply(refusal.reply, 'rcpt'), tries) ? 'failed' : 'pending';
    return { ...recipient, status, reply: refusal.reply };
  }
  if (outcome.kind === 'accepted') return { address: recipient.address, status: 'sent' };
  return isFinal(classify(outcome), tries) ? { ...recipient, status: 'failed' } : recipient;
}

function isFinal({ action, attemptsMax }: Classification, tries: number): boolean {
  return action === 'fail' || (attemptsMax !== undefined && tries >= attemptsMax);
}

function refusalOf(address: string, outcome: Outcome): RefusedRecipient | undefined {
  if (outcome.kind !== 'accepted' && outcome.kind !== 'refused') return undefined;
  return outcome.refused.find((refused) => refused.address === address);
}

function finished(
  status: 'sent' | 'failed' | 'expired',
  recipients: readonly RecipientState[],
  outcome: Outcome,
  classification: Classification | undefined,
  span: Span,
  effect: MailboxEffect,
): Transition {
  const made = makeAttempt(outcomeOfLast(status, outcome), outcome, classification, span);
  if (status !== 'expired') return { attempt: made, recipients, status, effect };
  const explanation = `${sentence(made.explanation)} The message's time is over: it is not tried again.`;
  return { attempt: { ...made, explanation }, recipients, status, effect };
}

/** What a server or a library says seldom ends as a sentence does. */
function sentence(text: string): string {
  return /[.!?]$/.test(text) ? text : `${text}.`;
}

function outcomeOfLast(status: 'sent' | 'failed' | 'expired', outcome: Outcome): AttemptOutcome {
  if (outcome.kind === 'unknown') return 'unknown';
  return status === 'sent' && outcome.kind === 'accepted' ? 'sent' : 'failed';
}

function makeAttempt(
  result: AttemptOutcome,
  outcome: Outcome,
  classification: Classification | undefined,
  span: Span,
): Attempt {
  const reply = replyOf(outcome);
  return {
    at: span.startedAt,
    durationMs: span.endedAt.getTime() - span.startedAt.getTime(),
    outcome: result,
    ...(reply && { reply }),
    explanation: classification?.explanation ?? acceptedExplanation(outcome),
    ...(classification?.fix && { fix: classification.fix }),
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
