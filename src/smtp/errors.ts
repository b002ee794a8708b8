/**
 * Reads nodemailer's results and errors as outcomes. The SMTP reply decides; nodemailer's `code` only says how far the
 * dialogue had come when there was no reply.
 */
import type { NodemailerError } from 'nodemailer';
import type { Reply } from '../core/message/message.ts';
import { type Outcome, parseReply, type RefusedRecipient, type Stage } from '../core/replies/outcome.ts';

/** How far this message had come, seen from the stream that nodemailer reads. */
export interface Progress {
  contentBegun: boolean;
  finalDot: boolean;
}

const NOTHING_SENT: Progress = { contentBegun: false, finalDot: false };

export function acceptedOutcome(info: {
  readonly response: string;
  readonly rejectedErrors?: readonly NodemailerError[] | undefined;
}): Outcome {
  return { kind: 'accepted', reply: replyOr(info.response), refused: refusedRecipients(info.rejectedErrors) };
}

/** `reached` is the least that the dialogue had come to. */
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

/** The server names its limit in EHLO (RFC 1870), and nodemailer keeps to it: what it would have answered. */
function tooLarge({ message }: Error): Reply {
  return { code: 552, enhanced: '5.3.4', text: `${message} bytes, says the server in EHLO` };
}

function refusedRecipients(errors: readonly NodemailerError[] | undefined): RefusedRecipient[] {
  return (errors ?? []).map((error) => ({
    address: error.recipient ?? '',
    reply: replyOr(String(error.response ?? '')),
  }));
}

/** A reply that can't be read still says something: keep its text. */
function replyOr(raw: string): Reply {
  return parseReply(raw) ?? { code: 0, text: raw };
}

/** nodemailer puts the command that was under way into `command`, and 'CONN' for the connection itself. */
function stageOf(code: string | undefined, command: string | undefined, reached: Stage, progress: Progress): Stage {
  if (progress.contentBegun) return code === 'EMESSAGE' || progress.finalDot ? 'end' : 'data';
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

/** The operating system's or OpenSSL's own code (`ECONNREFUSED`, `CERT_HAS_EXPIRED`) says more than nodemailer's. */
function systemCode(error: NodemailerError & { originalCode?: string; cause?: unknown }): string | undefined {
  return error.originalCode ?? error.code;
}
