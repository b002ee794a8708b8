/**
 * What a client is answered, by what became of its mail. 4xx keeps the mail in the client's own queue, 5xx says that it
 * would be refused again. Source: RFC 5321 4.2, RFC 3463.
 */
import type { FieldError } from '../core/message/field-errors.ts';
import type { SubmitOutcome } from '../core/submit/outbox.ts';

/** An SMTP reply in the form in which smtp-server takes a refusal. */
export class Reply extends Error {
  override readonly name = 'Reply';
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

export const NO_END = '4.4.2 Timeout: the end of the mail did not come, which is CR LF . CR LF';

/** smtp-server's words that leave a person where they were, and words that say what to do. */
const CLEARER: Readonly<Record<string, string>> = {
  'Error: Bad sender address syntax': '5.1.7 Write it as MAIL FROM:<name@example.com>',
  'Error: Bad recipient address syntax': '5.1.3 Write it as RCPT TO:<name@example.com>, each in a line of its own',
  'Error: Unrecognized authentication type': '5.5.4 Log in by PLAIN or LOGIN, which menus often call "normal password"',
};

export function clearer<T>(text: T): T | string {
  return (typeof text === 'string' && CLEARER[text]) || text;
}

/** The enhanced code (RFC 3463) at the beginning of a text, if it has one: smtp-server then adds none. */
export function enhancedCode(text: unknown): string | undefined {
  return typeof text === 'string' ? /^([245]\.\d{1,3}\.\d{1,3}) /.exec(text)?.[1] : undefined;
}

/** The reply to a whole mail. @throws Reply when it was not accepted. */
export function answerOf(outcome: SubmitOutcome): string {
  switch (outcome.kind) {
    case 'accepted':
      // Postfix's words: PHPMailer and readers of logs find the id in them.
      return `2.0.0 Ok: queued as ${outcome.message.id}`;
    case 'invalid':
      throw new Reply(554, `${isLoop(outcome.errors) ? '5.4.6' : '5.6.0'} ${told(outcome.errors)}`);
    case 'sender-not-allowed':
      throw new Reply(550, `5.7.1 ${told(outcome.errors)}`);
    case 'too-large':
      throw new Reply(552, `5.3.4 ${outcome.sizeBytes} bytes; ${outcome.mailbox} may send ${outcome.sizeBytesMax}`);
    case 'full':
      throw new Reply(452, `4.3.1 ${outcome.detail}: send again later`);
    case 'unavailable':
      throw new Reply(451, '4.3.0 The queue is unavailable, and has nothing of this mail: send it again later');
    case 'unanswered':
      throw new Reply(451, '4.3.0 The queue did not answer, and may have this mail: send it again, it counts once');
    case 'key-reused':
      throw new Reply(554, '5.6.0 Another mail came with the same mark');
  }
}

/** RFC 3463 3.5 has a code for it, by which other servers' logs know it. */
function isLoop(errors: readonly FieldError[]): boolean {
  return errors.some(({ field }) => field === 'Received');
}

function told(errors: readonly FieldError[]): string {
  return errors.map(({ field, message }) => `${field}: ${message}`).join(' ');
}

/** One line of ASCII: a client that has not asked for SMTPUTF8 need not understand more. */
function replyText(text: string): string {
  const ascii = text.replace(/[^\x20-\x7e]/g, '?');
  return ascii.length > TEXT_LENGTH_MAX ? `${ascii.slice(0, TEXT_LENGTH_MAX - 3)}...` : ascii;
}
