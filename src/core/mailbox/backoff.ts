/** From a judgement to what holds its mailbox back. */
import { HOLD_WAIT, type Judgement, SLOW_WAIT } from '../replies/classification.ts';
import type { Reply } from '../message/message.ts';
import type { Restraint } from './status.ts';

/** Undefined when the judgement leaves the mailbox alone. */
export function restraintOf(judgement: Judgement, reply: Reply | undefined): Restraint | undefined {
  const { verdict, id, explanation, fix, source, askedWaitMs, tooManyConnections, heldAfter } = judgement;
  if (verdict !== 'hold' && verdict !== 'slow') return undefined;
  const wait = judgement.wait ?? (verdict === 'hold' ? HOLD_WAIT : SLOW_WAIT);
  return {
    state: verdict === 'hold' ? 'held' : 'throttled',
    reason: { rule: id, explanation, source, ...(fix && { fix }), ...(reply && { reply }) },
    firstWaitMs: wait.firstMs,
    longestWaitMs: wait.longestMs,
    ...(askedWaitMs !== undefined && { askedWaitMs }),
    ...(tooManyConnections && { tooManyConnections }),
    ...(heldAfter !== undefined && { heldAfter }),
  };
}
