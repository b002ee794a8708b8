/**
 * The replies to clients. 4xx keeps the message in the client's own queue; 5xx says that it would be refused again.
 * Source: RFC 5321 4.2, RFC 3463.
 */
import type { FieldError } from '../core/message/field-errors.ts';
import type { SubmitOutcome } from '../core/submit/outbox.ts';

/** A refusal, in the form that smtp-server expects. */
export class SmtpRejection extends Error {
  override readonly name = 'SmtpRejection';
  readonly responseCode: number;

  /** `text` begins with the enhanced status code. */
  constructor(responseCode: number, text: string) {
    super(replyText(text));
    this.responseCode = responseCode;
  }
}

/** RFC 5321 4.5.3.1.5: a reply line has at most 512 octets, code and line end included. */
const TEXT_LENGTH_MAX = 500;

export const MUST_STARTTLS = '5.7.0 Must issue a STARTTLS command first';
export const STOPPING = '4.3.2 This server is stopping: send again';

export const NO_END = '4.4.2 Timeout: the message did not end with CR LF . CR LF';

/** Texts of smtp-server, and texts that say what to do instead. */
const CLEARER: Readonly<Record<string, string>> = {
  'Error: Bad sender address syntax': '5.1.7 Invalid sender: use MAIL FROM:<name@example.com>',
  'Error: Bad recipient address syntax': '5.1.3 Invalid recipient: use RCPT TO:<name@example.com>, one for each',
  'Error: Unrecognized authentication type': '5.5.4 Use AUTH PLAIN or LOGIN, which menus often call "normal password"',
};

export function clearer<T>(text: T): T | string {
  return (typeof text === 'string' && CLEARER[text]) || text;
}

/** The enhanced code (RFC 3463) at the start of a text; with one, smtp-server adds none. */
export function enhancedCode(text: unknown): string | undefined {
  return typeof text === 'string' ? /^([245]\.\d{1,3}\.\d{1,3}) /.exec(text)?.[1] : undefined;
}

/** The reply to a whole message. @throws SmtpRejection when it was not accepted. */
export function answerOf(outcome: SubmitOutcome): string {
  switch (outcome.kind) {
    case 'accepted':
      // Postfix's words: PHPMailer and readers of logs find the id in them.
      return `2.0.0 Ok: queued as ${outcome.message.id}`;
    case 'invalid':
      throw new SmtpRejection(554, `${isLoop(outcome.errors) ? '5.4.6' : '5.6.0'} ${shown(outcome.errors)}`);
    case 'sender-not-allowed':
      throw new SmtpRejection(550, `5.7.1 ${shown(outcome.errors)}`);
    case 'too-large':
      throw new SmtpRejection(
        552,
        `5.3.4 The message has ${outcome.sizeBytes} bytes; the limit of ${outcome.mailbox} is ${outcome.sizeBytesMax}`,
      );
    case 'full':
      throw new SmtpRejection(452, `4.3.1 ${outcome.detail}: send again later`);
    case 'unavailable':
      throw new SmtpRejection(451, '4.3.0 The queue is unavailable: send it again later');
    case 'unanswered':
      throw new SmtpRejection(
        451,
        '4.3.0 The queue did not answer and may have the message: send it again, it counts once',
      );
    case 'key-reused':
      throw new SmtpRejection(554, '5.6.0 A different message was already accepted under this Message-ID');
  }
}

/** RFC 3463 3.5 has a code for a loop, which logs of other servers show. */
function isLoop(errors: readonly FieldError[]): boolean {
  return errors.some(({ field }) => field === 'Received');
}

function shown(errors: readonly FieldError[]): string {
  return errors.map(({ field, message }) => `${field}: ${message}`).join(' ');
}

/** One line of ASCII: a client that did not ask for SMTPUTF8 need not understand more. */
function replyText(text: string): string {
  const ascii = text.replace(/[^\x20-\x7e]/g, '?');
  return ascii.length > TEXT_LENGTH_MAX ? `${ascii.slice(0, TEXT_LENGTH_MAX - 3)}...` : ascii;
}
