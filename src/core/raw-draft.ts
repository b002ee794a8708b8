/** A ready mail as a draft: who it is from and to, and what is added to it. */
import { parseAddress } from './address.ts';
import { type Draft, type ReadDraft, readPlan } from './draft.ts';
import { type FieldError, FieldErrors } from './field-errors.ts';
import { RECIPIENTS_MAX } from './mailbox.ts';
import { type Message, recipientsOf } from './message.ts';
import { type HeaderValues, type RawMessage, readRawMessage, withFields } from './raw-message.ts';
import type { ScheduleDraft } from './schedule.ts';

/** A ready mail and how it is to be sent. */
export interface RawDraft extends ScheduleDraft, Pick<Draft, 'mailbox' | 'priority' | 'metadata'> {
  /** RFC 5322; of any line ends. */
  readonly bytes: Buffer;
  /** The envelope's recipients; undefined: those of To, Cc and Bcc. */
  readonly recipients?: readonly string[];
  /** Lines for the top of the header, such as Received. */
  readonly trace?: readonly string[];
}

/** What a ready mail says, once it is known to be right. */
export interface ReadRawDraft extends Omit<ReadDraft, 'content'> {
  readonly envelopeTo?: readonly string[];
  readonly raw: { readonly message: RawMessage; readonly trace: readonly string[] };
}

/** Reads a ready mail; the errors name the header's fields. `read` is worth something only without errors. */
export function readRawDraft(
  draft: RawDraft,
  values: HeaderValues,
): { readonly read: ReadRawDraft; readonly errors: readonly FieldError[] } {
  const errors = new FieldErrors();
  const { message, errors: headerErrors } = readRawMessage(draft.bytes, values);
  for (const { field, message: words } of headerErrors) errors.add(field, words);
  const envelopeTo = draft.recipients?.flatMap((input) => {
    const parsed = parseAddress(input);
    if (parsed.ok) return [parsed.address.address];
    errors.add('to', `The address ${parsed.problem}.`);
    return [];
  });
  const { from, to, cc, bcc, subject } = message;
  const recipients = { to, cc, bcc, ...(envelopeTo && { envelopeTo }) };
  checkRecipients(recipientsOf(recipients).length, errors);
  const read = {
    ...(from && { from }),
    ...recipients,
    subject,
    ...readPlan(draft, errors),
    raw: { message, trace: draft.trace ?? [] },
  };
  return { read, errors: errors.all };
}

function checkRecipients(count: number, errors: FieldErrors): void {
  if (count === 0) errors.add('to', 'Name at least one recipient, in To, Cc or Bcc or beside the mail.');
  if (count > RECIPIENTS_MAX) {
    errors.add('to', `${count} recipients; at most ${RECIPIENTS_MAX} are allowed. Send several messages.`);
  }
}

/** The mail with the fields that it lacks. RFC 6409 8.2, 8.3 */
export function completeRaw(
  { message, trace }: ReadRawDraft['raw'],
  { from, messageId, acceptedAt }: Pick<Message, 'from' | 'messageId' | 'acceptedAt'>,
): Buffer {
  return withFields(message.bytes, [
    ...trace,
    ...(message.hasDate ? [] : [`Date: ${acceptedAt.toUTCString().replace('GMT', '+0000')}`]),
    ...(message.messageId === undefined ? [`Message-ID: ${messageId}`] : []),
    ...(message.from ? [] : [`From: <${from.address}>`]),
  ]);
}
