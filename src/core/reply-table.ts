/**
 * Every reply of Exchange Online that is known, and what it means. The first row that fits decides, so a row with a
 * text stands before one with a code alone: the text says more than the code, and the code more than its class.
 */
import type { ReplyFault } from './judgement.ts';
import type { Reply } from './message.ts';
import { MESSAGE_REPLIES } from './message-replies.ts';
import { MAILBOX_REPLIES } from './mailbox-replies.ts';
import type { Stage } from './outcome.ts';
import { CONNECTION_REPLIES } from './connection-replies.ts';

export const REPLY_TABLE: readonly ReplyFault[] = [...MAILBOX_REPLIES, ...CONNECTION_REPLIES, ...MESSAGE_REPLIES];

/** The row that fits, undefined when the reply is new. */
export function findReply(reply: Reply, stage: Stage): ReplyFault | undefined {
  return REPLY_TABLE.find((row) => fits(row, reply, stage));
}

function fits({ codes, enhanced, text, stages }: ReplyFault, reply: Reply, stage: Stage): boolean {
  return (
    (codes?.includes(reply.code) ?? true) &&
    (enhanced?.test(reply.enhanced ?? '') ?? true) &&
    (text?.test(reply.text) ?? true) &&
    (stages?.includes(stage) ?? true)
  );
}
