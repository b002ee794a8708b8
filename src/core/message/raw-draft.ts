/** A raw message as a draft: its sender, its recipients, and the header fields that are added. */
import { addressKey, formatAddress, parseAddress } from './address.ts';
import { type ReadDraft, readPlan, type WrittenDraft } from './draft.ts';
import { type FieldError, FieldErrors } from './field-errors.ts';
import { RECIPIENTS_MAX } from './message.ts';
import { type Message, type RawContent, recipientsOf } from './message.ts';
import { type HeaderValues, type RawMessage, readRawMessage, withoutSender } from './raw-message.ts';
import type { Idempotency } from './idempotency.ts';
import type { ScheduleDraft } from './schedule.ts';

/** A raw message and how to send it. */
export interface RawDraft extends ScheduleDraft, Pick<WrittenDraft, 'mailbox' | 'priority' | 'metadata'> {
  /** RFC 5322, with any line ends. */
  readonly bytes: Buffer;
  /** The envelope's recipients; undefined: those of To, Cc and Bcc. */
  readonly recipients?: readonly string[];
  /** Lines for the top of the header, such as Received, once the message has an id. */
  readonly trace?: Trace;
  /**
   * The digest of the bytes, for a client that cannot mark its repeats: the same Message-ID with the same bytes to the same
   * recipients counts once.
   */
  readonly digest?: string;
  /** What to do with a From that no mailbox of the client may use; default: refuse it. */
  readonly foreignFrom?: 'refuse' | 'rewrite';
}

type Trace = (message: Pick<Message, 'id' | 'acceptedAt'>) => readonly string[];

/** What a raw message says, once it is known to be valid. */
export interface ReadRawDraft extends Omit<ReadDraft, 'content'> {
  readonly envelopeTo?: readonly string[];
  readonly raw: { readonly message: RawMessage; readonly trace?: Trace };
  /** The display name for the mailbox's own address, when From was removed. */
  readonly fromName?: string;
}

/** Reads a raw message; the errors name the header's fields. `read` is valid only without errors. */
export function readRawDraft(
  draft: RawDraft,
  values: HeaderValues,
): { readonly read: ReadRawDraft; readonly errors: readonly FieldError[] } {
  const errors = new FieldErrors();
  const { message, errors: headerErrors } = readRawMessage(draft.bytes, values, draft.recipients !== undefined);
  for (const { field, message: words } of headerErrors) errors.add(field, words);
  const envelopeTo = draft.recipients?.flatMap((input) => {
    const parsed = parseAddress(input);
    if (parsed.ok) return [parsed.address.address];
    errors.add('to', `The address ${parsed.problem}.`);
    return [];
  });
  const { from, to, cc, bcc, subject } = message;
  const read = {
    ...(from && { from }),
    to,
    cc,
    bcc,
    ...(envelopeTo && { envelopeTo }),
    subject,
    ...readPlan(draft, errors),
    raw: { message, ...(draft.trace && { trace: draft.trace }) },
  };
  checkRecipients(recipientsOf(read).length, errors);
  return { read, errors: errors.all };
}

function checkRecipients(count: number, errors: FieldErrors): void {
  if (count === 0) errors.add('to', 'Give at least one recipient, in To, Cc or Bcc or in the envelope.');
  if (count > RECIPIENTS_MAX) {
    errors.add('to', `There are ${count} recipients. The limit is ${RECIPIENTS_MAX}: send several messages.`);
  }
}

/** The draft without its From, except for the display name. */
export function withoutFrom({ from, raw, ...read }: ReadRawDraft): ReadRawDraft {
  return {
    ...read,
    raw: { ...raw, message: withoutSender(raw.message) },
    ...(from?.name !== undefined && { fromName: from.name }),
  };
}

/** How a repeat of the message is known; undefined without a Message-ID, or for a client that marks its repeats itself. */
export function repeatOf({ digest }: RawDraft, read: ReadRawDraft): Idempotency | undefined {
  const { messageId } = read.raw.message;
  if (digest === undefined || messageId === undefined) return undefined;
  const recipients = recipientsOf(read).map(addressKey).sort();
  // With the digest in the key, other bytes are another message: scripts reuse a Message-ID.
  return { key: JSON.stringify(['Message-ID', messageId, recipients, digest]), digest };
}

/** The message with the fields that it lacks. RFC 6409 8.2, 8.3 */
export function completeRaw({ message, trace }: ReadRawDraft['raw'], of: Completion): RawContent {
  const fields = [
    ...(trace?.(of) ?? []),
    ...(message.hasDate ? [] : [`Date: ${formatDate(of.acceptedAt)}`]),
    ...(message.messageId === undefined ? [`Message-ID: ${of.messageId}`] : []),
    ...(message.from ? [] : [`From: ${formatAddress(of.from)}`]),
  ];
  return { added: fields.map((field) => `${field}\r\n`).join(''), raw: message.bytes };
}

type Completion = Pick<Message, 'id' | 'from' | 'messageId' | 'acceptedAt'>;

/** RFC 5322 3.3; always in UTC. */
export function formatDate(date: Date): string {
  return date.toUTCString().replace('GMT', '+0000');
}
