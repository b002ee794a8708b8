/**
 * Decides what an attempt's outcome means for the message: sent, retried, held, failed or expired. Pure: the caller
 * stores the transition.
 */
import { backoffOf } from '../mailbox/backoff.ts';
import type { MailboxEffect } from '../mailbox/status.ts';
import type { Attempt, AttemptOutcome, Message, MessageState, RecipientState, Reply } from '../message/message.ts';
import type { Classification } from '../replies/classification.ts';
import { classify, classifyReply } from '../replies/classify.ts';
import type { Outcome, RefusedRecipient } from '../replies/outcome.ts';
import { type NextAttempt, nextAttempt, type RetryPolicy } from './retry.ts';
import { AFTER_UNKNOWN, failPending, NO_EFFECT, type Transition, type UnknownPolicy } from './transition.ts';

/** What came of an attempt, and when it began and ended. */
export interface AttemptResult {
  readonly outcome: Outcome;
  readonly startedAt: Date;
  readonly endedAt: Date;
}

export interface AttemptPolicy extends RetryPolicy {
  readonly unknown: UnknownPolicy;
}

/** The transition of this message after this result. */
export function transitionAfterAttempt(
  message: Pick<Message, 'expiresAt'>,
  state: Pick<MessageState, 'attempts' | 'recipients' | 'retriedAt'>,
  attempt: AttemptResult,
  policy: AttemptPolicy,
): Transition {
  const { outcome } = attempt;
  const tries = 1 + triesOf(state);
  const result: Classified = {
    ...attempt,
    ...(outcome.kind !== 'accepted' && { classification: classify(outcome) }),
  };
  const recipients = applyToRecipients(state.recipients, outcome, tries);
  const effect = effectOf(result, state.recipients, recipients);
  const sent = recipients.some(({ status }) => status === 'sent');
  if (!recipients.some(({ status }) => status === 'pending'))
    return { ...finish(result, sent ? 'sent' : 'failed'), recipients, effect };
  const next = nextStep(result, tries, message, policy);
  if (next.kind === 'expire')
    return { ...finish(result, sent ? 'sent' : 'expired'), recipients: failPending(recipients), effect };
  const unfinished = { attempt: unfinishedAttempt(result, effect, policy), recipients, effect };
  if (next.kind !== 'retry') return { ...unfinished, status: next.kind };
  return { ...unfinished, status: 'deferred', nextAttemptAt: next.at };
}

/** A result with the classification of its outcome; an accepted message needs none. */
interface Classified extends AttemptResult {
  readonly classification?: Classification;
}

/** How often the message was tried since it was accepted, or since a person retried it. */
function triesOf({ attempts, retriedAt }: Pick<MessageState, 'attempts' | 'retriedAt'>): number {
  return attempts.filter((attempt) => isTry(attempt) && (retriedAt === undefined || attempt.at >= retriedAt)).length;
}

/** An attempt that says nothing about the message does not count: its mailbox was blocked, or its worker died. */
function isTry({ outcome }: Attempt): boolean {
  return outcome !== 'interrupted' && outcome !== 'held' && outcome !== 'throttled';
}

type NextStep = NextAttempt | { readonly kind: 'queued' | 'held' };

function nextStep(
  result: Classified,
  tries: number,
  { expiresAt }: Pick<Message, 'expiresAt'>,
  policy: AttemptPolicy,
): NextStep {
  const { outcome, classification, endedAt } = result;
  if (outcome.kind === 'unknown' && policy.unknown === 'hold') return { kind: 'held' };
  const blocksMailbox = classification?.action === 'hold' || classification?.action === 'throttle';
  if (blocksMailbox) return endedAt < expiresAt ? { kind: 'queued' } : { kind: 'expire' };
  if (isAtOnce(result, tries)) return { kind: 'retry', at: endedAt };
  return nextAttempt({ attempts: tries, now: endedAt, expiresAt, askedWaitMs: classification?.askedWaitMs }, policy);
}

/** Another connection or another transaction is all that the message needs, but only a few times in a row. */
function isAtOnce({ outcome, classification }: Classified, tries: number): boolean {
  if (tries > AT_ONCE_MAX) return false;
  if (outcome.kind !== 'accepted') return classification?.atOnce === true;
  return outcome.refused.some(({ reply }) => classifyReply(reply, 'rcpt').atOnce === true);
}

const AT_ONCE_MAX = 3;

/** What this result shows about the mailbox. */
function effectOf(
  { outcome, classification }: Classified,
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
  const blamesMessage = classification?.scope === 'message' || classification?.scope === 'recipient';
  return outcome.kind === 'refused' && blamesMessage ? { kind: 'works' } : NO_EFFECT;
}

function applyToRecipients(before: readonly RecipientState[], outcome: Outcome, tries: number): RecipientState[] {
  return before.map((recipient) =>
    recipient.status === 'pending' ? applyToRecipient(recipient, outcome, tries) : recipient,
  );
}

function applyToRecipient(recipient: RecipientState, outcome: Outcome, tries: number): RecipientState {
  const refusal = refusalOf(recipient.address, outcome);
  if (refusal) {
    const status = isPermanent(classifyReply(refusal.reply, 'rcpt'), tries) ? 'failed' : 'pending';
    return { ...recipient, status, reply: refusal.reply };
  }
  if (outcome.kind === 'accepted') return { address: recipient.address, status: 'sent' };
  return isPermanent(classify(outcome), tries) ? { ...recipient, status: 'failed' } : recipient;
}

function isPermanent({ action, attemptsMax }: Classification, tries: number): boolean {
  return action === 'fail' || (attemptsMax !== undefined && tries >= attemptsMax);
}

function refusalOf(address: string, outcome: Outcome): RefusedRecipient | undefined {
  if (outcome.kind !== 'accepted' && outcome.kind !== 'refused') return undefined;
  return outcome.refused.find((refused) => refused.address === address);
}

/** The last attempt of a message, and the status that the message ends with. */
function finish<Status extends 'sent' | 'failed' | 'expired'>(
  result: Classified,
  status: Status,
): { readonly attempt: Attempt; readonly status: Status } {
  const attempt = makeAttempt(result, lastOutcome(status, result.outcome));
  if (status !== 'expired') return { attempt, status };
  return { attempt: withSentence(attempt, "The message's time is over, so it is not tried again."), status };
}

function lastOutcome(status: 'sent' | 'failed' | 'expired', outcome: Outcome): AttemptOutcome {
  if (outcome.kind === 'unknown') return 'unknown';
  return status === 'sent' && outcome.kind === 'accepted' ? 'sent' : 'failed';
}

function unfinishedAttempt(result: Classified, effect: MailboxEffect, { unknown }: AttemptPolicy): Attempt {
  if (result.outcome.kind === 'unknown') return withSentence(makeAttempt(result, 'unknown'), AFTER_UNKNOWN[unknown]);
  return makeAttempt(result, effect.kind === 'blocked' ? effect.backoff.state : 'deferred');
}

/** Text of a server or a library rarely ends with a full stop. */
function withSentence(attempt: Attempt, sentence: string): Attempt {
  const { explanation } = attempt;
  const ended = /[.!?]$/.test(explanation) ? explanation : `${explanation}.`;
  return { ...attempt, explanation: `${ended} ${sentence}` };
}

function makeAttempt({ outcome, classification, startedAt, endedAt }: Classified, result: AttemptOutcome): Attempt {
  const reply = replyOf(outcome);
  return {
    at: startedAt,
    durationMs: endedAt.getTime() - startedAt.getTime(),
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
  if (refused.length === 0) return 'Exchange accepted the message for delivery.';
  return `Exchange accepted the message for delivery, but not for ${refused.join(', ')}.`;
}
