/**
 * Every known reply of Exchange Online and what it means. Microsoft sends the same text with different codes, so the
 * text says more than the code. The first row whose text matches decides, otherwise the first whose codes match.
 */
import type { ReplyFault } from './classification.ts';
import type { Reply } from '../message/message.ts';
import { MESSAGE_REPLIES } from './message-replies.ts';
import { MAILBOX_REPLIES } from './mailbox-replies.ts';
import type { Stage } from './outcome.ts';
import { CONNECTION_REPLIES } from './connection-replies.ts';

export const REPLY_TABLE: readonly ReplyFault[] = [...MAILBOX_REPLIES, ...CONNECTION_REPLIES, ...MESSAGE_REPLIES];

/** The row that matches. Undefined if the reply is unknown. */
export function findReply(reply: Reply, stage: Stage): ReplyFault | undefined {
  const rows = REPLY_TABLE.filter(({ stages }) => stages?.includes(stage) ?? true);
  return rows.find((row) => textMatches(row, reply)) ?? rows.find((row) => codesMatch(row, reply));
}

function textMatches({ codes, text }: ReplyFault, reply: Reply): boolean {
  return text?.test(reply.text) === true && (codes?.some((code) => isSameClass(code, reply.code)) ?? true);
}

/** The same text means something different in a temporary refusal (4xx) and in a permanent one (5xx). */
function isSameClass(a: number, b: number): boolean {
  return Math.floor(a / 100) === Math.floor(b / 100);
}

function codesMatch({ codes, enhanced, textOnly }: ReplyFault, reply: Reply): boolean {
  if (textOnly || (!codes && !enhanced)) return false;
  return (codes?.includes(reply.code) ?? true) && (enhanced?.test(reply.enhanced ?? '') ?? true);
}
