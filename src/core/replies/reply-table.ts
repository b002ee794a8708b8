/**
 * Every reply of Exchange Online that is known, and what it means. The text says more than the code, and the code more
 * than its class: Microsoft says the same with many a code. Of the rows whose text fits the first decides, then the
 * first whose codes do.
 */
import type { ReplyFault } from './classification.ts';
import type { Reply } from '../message/message.ts';
import { MESSAGE_REPLIES } from './message-replies.ts';
import { MAILBOX_REPLIES } from './mailbox-replies.ts';
import type { Stage } from './outcome.ts';
import { CONNECTION_REPLIES } from './connection-replies.ts';

export const REPLY_TABLE: readonly ReplyFault[] = [...MAILBOX_REPLIES, ...CONNECTION_REPLIES, ...MESSAGE_REPLIES];

/** The row that fits, undefined when the reply is new. */
export function findReply(reply: Reply, stage: Stage): ReplyFault | undefined {
  const rows = REPLY_TABLE.filter(({ stages }) => stages?.includes(stage) ?? true);
  return rows.find((row) => saysSo(row, reply)) ?? rows.find((row) => hasItsCode(row, reply));
}

function saysSo({ codes, text }: ReplyFault, reply: Reply): boolean {
  return text?.test(reply.text) === true && (codes?.some((code) => isSameClass(code, reply.code)) ?? true);
}

/** A refusal for the moment (4xx) means something else than one for good (5xx) in the same words. */
function isSameClass(a: number, b: number): boolean {
  return Math.floor(a / 100) === Math.floor(b / 100);
}

function hasItsCode({ codes, enhanced, textAlone }: ReplyFault, reply: Reply): boolean {
  if (textAlone || (!codes && !enhanced)) return false;
  return (codes?.includes(reply.code) ?? true) && (enhanced?.test(reply.enhanced ?? '') ?? true);
}
