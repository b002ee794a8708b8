/** From a classification to the backoff of its mailbox. */
import { HOLD_WAIT, type Classification, THROTTLE_WAIT } from '../replies/classification.ts';
import type { Reply } from '../message/message.ts';
import type { Backoff } from './status.ts';

/** Undefined when the classification does not concern the mailbox. */
export function backoffOf(classification: Classification, reply: Reply | undefined): Backoff | undefined {
  const { action, id, explanation, fix, source, askedWaitMs, tooManyConnections, heldAfter } = classification;
  if (action !== 'hold' && action !== 'throttle') return undefined;
  const wait = classification.wait ?? (action === 'hold' ? HOLD_WAIT : THROTTLE_WAIT);
  return {
    state: action === 'hold' ? 'held' : 'throttled',
    reason: { rule: id, explanation, source, ...(fix && { fix }), ...(reply && { reply }) },
    firstWaitMs: wait.firstMs,
    longestWaitMs: wait.longestMs,
    ...(askedWaitMs !== undefined && { askedWaitMs }),
    ...(tooManyConnections && { tooManyConnections }),
    ...(heldAfter !== undefined && { heldAfter }),
  };
}
