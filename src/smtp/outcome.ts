/**
 * Turns nodemailer's results and errors into outcomes. The SMTP reply decides. Without a reply, nodemailer's `code` says
 * how far the dialogue got.
 */
import type { NodemailerError } from 'nodemailer';
import type { Reply } from '../core/message/message.ts';
import type { Outcome, RefusedRecipient, Stage } from '../core/replies/outcome.ts';
import { parseReply } from '../core/replies/reply.ts';

/** How far this message got, as the stream that nodemailer reads knows it. */
export interface Progress {
  contentStarted: boolean;
  finalDot: boolean;
}

const NOTHING_SENT: Progress = { contentStarted: false, finalDot: false };

export function acceptedOutcome(info: {
  readonly response: string;
  readonly rejectedErrors?: readonly NodemailerError[] | undefined;
}): Outcome {
  return { kind: 'accepted', reply: replyOr(info.response), refused: refusedRecipients(info.rejectedErrors) };
}

/** `reached` is the stage if the error does not say more. */
export function failedOutcome(error: Error, reached: Stage, progress: Progress = NOTHING_SENT): Outcome {
  const { response, rejectedErrors, code, command } = error as NodemailerError;
  const reply = response === undefined ? undefined : parseReply(String(response));
  const stage = stageOf(code, command, reached, progress);
  if (!response && code === 'EMESSAGE') return { kind: 'refused', stage, reply: tooLarge(error), refused: [] };
  if (reply) return { kind: 'refused', stage, reply, refused: refusedRecipients(rejectedErrors) };
  if (progress.finalDot) return { kind: 'unknown', error: error.message };
  const cause = systemCode(error);
  return { kind: 'broken', stage, error: error.message, ...(cause && { code: cause }) };
}

/** nodemailer does not send a message over the size limit in EHLO (RFC 1870). This is the reply the server would have sent. */
function tooLarge({ message }: Error): Reply {
  return { code: 552, enhanced: '5.3.4', text: `${message} bytes: the limit that the server names in EHLO` };
}

function refusedRecipients(errors: readonly NodemailerError[] | undefined): RefusedRecipient[] {
  return (errors ?? []).map((error) => ({
    address: error.recipient ?? '',
    reply: replyOr(String(error.response ?? '')),
  }));
}

/** An unreadable reply still says something, so its text is kept. */
function replyOr(raw: string): Reply {
  return parseReply(raw) ?? { code: 0, text: raw };
}

/** nodemailer sets `command` to the running command, or to 'CONN' for the connection itself. */
function stageOf(code: string | undefined, command: string | undefined, reached: Stage, progress: Progress): Stage {
  if (progress.contentStarted) return code === 'EMESSAGE' || progress.finalDot ? 'end' : 'data';
  if (command?.startsWith('AUTH')) return 'auth';
  if (code === 'ETLS' || command === 'STARTTLS') return 'starttls';
  switch (command) {
    case 'MAIL FROM':
      return 'mail';
    case 'RCPT TO':
      return 'rcpt';
    case 'DATA':
      return 'data';
    case 'EHLO':
    case 'HELO':
      return 'greeting';
    default:
      return reached;
  }
}

/** The code of the operating system or OpenSSL (`ECONNREFUSED`, `CERT_HAS_EXPIRED`) says more than nodemailer's. */
function systemCode(error: NodemailerError & { originalCode?: string; cause?: unknown }): string | undefined {
  return error.originalCode ?? error.code;
}
