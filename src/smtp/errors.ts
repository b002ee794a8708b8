/**
 * Reads nodemailer's results and errors as outcomes. The SMTP reply decides; nodemailer's `code` only says how far the
 * dialogue had come when there was no reply.
 */
import type { NodemailerError } from 'nodemailer';
import type { Reply } from '../core/message.ts';
import { type Outcome, parseReply, type RefusedRecipient, type Stage } from '../core/outcome.ts';

/** How far this message had come, seen from the stream that nodemailer reads. */
export interface Progress {
  contentBegun: boolean;
  finalDot: boolean;
}

/** Entra gave no token; carries its answer through nodemailer. */
export class TokenError extends Error {
  override readonly name = 'TokenError';
  readonly entraCode: string | undefined;

  constructor({ error, code }: { readonly error: string; readonly code?: string }) {
    super(error);
    this.entraCode = code;
  }
}

export function acceptedOutcome(info: {
  readonly response: string;
  readonly rejectedErrors?: readonly NodemailerError[] | undefined;
}): Outcome {
  return { kind: 'accepted', reply: replyOr(info.response), refused: refusedRecipients(info.rejectedErrors) };
}

export function failedOutcome(error: Error, progress: Progress): Outcome {
  if (error instanceof TokenError) {
    return { kind: 'no-token', error: error.message, ...(error.entraCode && { code: error.entraCode }) };
  }
  const { response, rejectedErrors, code, command } = error as NodemailerError;
  const reply = response === undefined ? undefined : parseReply(String(response));
  const stage = stageOf(code, command, progress);
  if (reply) return { kind: 'refused', stage, reply, refused: refusedRecipients(rejectedErrors) };
  if (progress.finalDot) return { kind: 'unknown', error: error.message };
  const cause = systemCode(error);
  return { kind: 'broken', stage, error: error.message, ...(cause && { code: cause }) };
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
function stageOf(code: string | undefined, command: string | undefined, progress: Progress): Stage {
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
      return 'connect';
  }
}

/** The operating system's or OpenSSL's own code (`ECONNREFUSED`, `CERT_HAS_EXPIRED`) says more than nodemailer's. */
function systemCode(error: NodemailerError & { originalCode?: string; cause?: unknown }): string | undefined {
  return error.originalCode ?? error.code;
}
