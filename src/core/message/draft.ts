/**
 * A draft is a message as its sender wrote it. `readDraft` turns it into addresses and content that are safe to
 * compose, or names every invalid field and how to fix it.
 */
import { type Address, type AddressInput, parseAddress } from './address.ts';
import { type FieldError, FieldErrors } from './field-errors.ts';
import { headerProblem } from './headers.ts';
import { RECIPIENTS_MAX } from './message.ts';
import type { Attachment, Calendar, Level, WrittenContent } from './message.ts';

export interface WrittenDraft {
  readonly from?: AddressInput;
  readonly to?: AddressList;
  readonly cc?: AddressList;
  readonly bcc?: AddressList;
  readonly replyTo?: AddressList;
  readonly subject?: string;
  readonly text?: string;
  readonly html?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly attachments?: readonly AttachmentDraft[];
  readonly calendar?: Calendar;
  readonly importance?: Level;
  readonly priority?: Level;
  readonly mailbox?: string;
  readonly metadata?: Readonly<Record<string, string>>;
  /** RFC 3339; schedule.ts reads them. */
  readonly sendAt?: string;
  readonly expiresAt?: string;
}

export type AddressList = AddressInput | readonly AddressInput[];

export interface AttachmentDraft {
  readonly filename: string;
  /** Base64; line breaks in it are ignored. */
  readonly content: string;
  readonly contentType?: string;
  readonly contentId?: string;
}

/** What a draft says, once it is known to be valid. */
export interface ReadDraft {
  readonly from?: Address;
  readonly to: readonly Address[];
  readonly cc: readonly Address[];
  readonly bcc: readonly Address[];
  readonly subject: string;
  readonly priority: Level;
  readonly mailbox?: string;
  readonly metadata: Readonly<Record<string, string>>;
  readonly content: WrittenContent;
}

const SUBJECT_LENGTH_MAX = 998;
const METADATA_PAIRS_MAX = 20;
const METADATA_KEY_LENGTH_MAX = 64;
const METADATA_VALUE_LENGTH_MAX = 512;
const FILENAME_LENGTH_MAX = 255;
/** The iTIP methods of RFC 5546. */
const CALENDAR_METHODS = ['PUBLISH', 'REQUEST', 'REPLY', 'ADD', 'CANCEL', 'REFRESH', 'COUNTER', 'DECLINECOUNTER'];
const CALENDAR_METHOD = /^METHOD:([A-Za-z]+)[ \t]*\r?$/im;

const CONTROL = /[\u0000-\u001f\u007f-\u009f\u2028\u2029]/;
/** A path, a folder, or a character that reverses text: `fdp.exe` could be shown as `exe.pdf`. */
const NO_FILENAME = /[/\\\u202a-\u202e\u2066-\u2069]|^\.{1,2}$/;
const BASE64 = /^[A-Za-z0-9+/]*={0,2}$/;
/** RFC 2045 5.1: type and subtype are tokens; parameters follow. */
const CONTENT_TYPE = /^[\w!#$&^.+-]{1,127}\/[\w!#$&^.+-]{1,127}(?:\s*;\s*[\w!#$&^.+-]+=(?:[\w!#$&^.+-]+|"[^"\\]*"))*$/;
const CONTENT_ID = /^[^\s<>()[\]\\,;:"]{1,200}$/;

/** Reads a draft and finds all of its errors. `read` is valid only without errors. */
export function readDraft(draft: WrittenDraft): { readonly read: ReadDraft; readonly errors: readonly FieldError[] } {
  const errors = new FieldErrors();
  const from = draft.from === undefined ? undefined : readAddress(draft.from, 'from', errors);
  const recipients = readRecipients(draft, errors);
  const read: ReadDraft = {
    ...(from && { from }),
    ...recipients,
    subject: readSubject(draft.subject ?? '', errors),
    ...readPlan(draft, errors),
    content: readContent(draft, errors),
  };
  return { read, errors: errors.all };
}

/** What a sender says about sending, whatever the form of the message. */
export function readPlan(
  { priority = 'normal', mailbox, metadata = {} }: Pick<WrittenDraft, 'priority' | 'mailbox' | 'metadata'>,
  errors: FieldErrors,
): Pick<ReadDraft, 'priority' | 'mailbox' | 'metadata'> {
  return { priority, ...(mailbox !== undefined && { mailbox }), metadata: readMetadata(metadata, errors) };
}

function readRecipients(draft: WrittenDraft, errors: FieldErrors): Pick<ReadDraft, 'to' | 'cc' | 'bcc'> {
  const to = readAddressList(draft.to, 'to', errors);
  const cc = readAddressList(draft.cc, 'cc', errors);
  const bcc = readAddressList(draft.bcc, 'bcc', errors);
  const given = [draft.to, draft.cc, draft.bcc].flatMap((list) => list ?? []).length;
  if (given === 0) errors.add('to', 'Give at least one recipient in to, cc or bcc.');
  if (given > RECIPIENTS_MAX) {
    errors.add(
      'to',
      `There are ${given} recipients in to, cc and bcc. The limit is ${RECIPIENTS_MAX}: send several messages.`,
    );
  }
  return { to, cc, bcc };
}

function readAddressList(list: AddressList | undefined, field: string, errors: FieldErrors): Address[] {
  if (list === undefined) return [];
  if (!isList(list)) return [readAddress(list, field, errors)].filter((address) => address !== undefined);
  return list
    .slice(0, RECIPIENTS_MAX)
    .map((input, index) => readAddress(input, `${field}[${index}]`, errors))
    .filter((address) => address !== undefined);
}

function isList(list: AddressList): list is readonly AddressInput[] {
  return Array.isArray(list);
}

function readAddress(input: AddressInput, field: string, errors: FieldErrors): Address | undefined {
  const parsed = parseAddress(input);
  if (parsed.ok) return parsed.address;
  errors.add(field, `The address ${parsed.problem}.`);
  return undefined;
}

function readSubject(subject: string, errors: FieldErrors): string {
  if (CONTROL.test(subject)) errors.add('subject', 'The subject contains a line break or another control character.');
  if (subject.length > SUBJECT_LENGTH_MAX) {
    errors.add('subject', `The subject has ${subject.length} characters. The limit is ${SUBJECT_LENGTH_MAX}.`);
  }
  return subject;
}

function readMetadata(metadata: Readonly<Record<string, string>>, errors: FieldErrors): Record<string, string> {
  const pairs = Object.entries(metadata);
  if (pairs.length > METADATA_PAIRS_MAX) {
    errors.add('metadata', `There are ${pairs.length} pairs. The limit is ${METADATA_PAIRS_MAX}.`);
  }
  for (const [key, value] of pairs.slice(0, METADATA_PAIRS_MAX)) {
    if (key.length > METADATA_KEY_LENGTH_MAX)
      errors.add('metadata', `A key is longer than ${METADATA_KEY_LENGTH_MAX} characters.`);
    if (value.length > METADATA_VALUE_LENGTH_MAX) {
      errors.add(`metadata.${key}`, `The value is longer than ${METADATA_VALUE_LENGTH_MAX} characters.`);
    }
  }
  return Object.fromEntries(pairs);
}

function readContent(draft: WrittenDraft, errors: FieldErrors): WrittenContent {
  const attachments = (draft.attachments ?? []).map((attachment, index) =>
    readAttachment(attachment, `attachments[${index}]`, errors),
  );
  const { text, html, calendar, importance } = draft;
  if (!text && !html && !calendar && attachments.length === 0) {
    errors.add('text', 'The message is empty. Give text, html, calendar or attachments.');
  }
  if (calendar) checkCalendar(calendar, errors);
  return {
    replyTo: readAddressList(draft.replyTo, 'replyTo', errors),
    ...(text !== undefined && { text }),
    ...(html !== undefined && { html }),
    headers: readHeaders(draft.headers ?? {}, errors),
    attachments,
    ...(calendar && { calendar: { ...calendar, method: calendar.method.toUpperCase() } }),
    ...(importance && { importance }),
  };
}

function readHeaders(headers: Readonly<Record<string, string>>, errors: FieldErrors): Record<string, string> {
  for (const [name, value] of Object.entries(headers)) {
    const problem = headerProblem(name, value);
    if (problem) errors.add(`headers.${name.slice(0, 80)}`, problem);
  }
  return Object.fromEntries(Object.entries(headers));
}

function readAttachment(attachment: AttachmentDraft, field: string, errors: FieldErrors): Attachment {
  const { filename, contentType, contentId } = attachment;
  checkFilename(filename, `${field}.filename`, errors);
  if (contentType !== undefined && (!CONTENT_TYPE.test(contentType) || /^multipart\//i.test(contentType))) {
    errors.add(`${field}.contentType`, 'Must be a media type like application/pdf.');
  }
  if (contentId !== undefined && !CONTENT_ID.test(contentId)) {
    errors.add(`${field}.contentId`, 'Must be a Content-ID without angle brackets and spaces, like logo@example.com.');
  }
  return { ...attachment, content: readBase64(attachment.content, `${field}.content`, errors) };
}

function checkFilename(filename: string, field: string, errors: FieldErrors): void {
  if (filename === '') errors.add(field, 'The file name is empty.');
  if (filename.length > FILENAME_LENGTH_MAX)
    errors.add(field, `The file name is longer than ${FILENAME_LENGTH_MAX} characters.`);
  if (CONTROL.test(filename) || NO_FILENAME.test(filename)) {
    errors.add(field, 'The file name contains a path or a control character. Give the bare name.');
  }
}

function readBase64(content: string, field: string, errors: FieldErrors): string {
  const compact = /\s/.test(content) ? content.replace(/\s+/g, '') : content;
  if (!BASE64.test(compact) || compact.length % 4 !== 0) {
    errors.add(field, 'The content is not Base64 (RFC 4648 section 4: A-Z a-z 0-9 + / and padding with =).');
  }
  return compact;
}

function checkCalendar({ method, content }: Calendar, errors: FieldErrors): void {
  if (!CALENDAR_METHODS.includes(method.toUpperCase())) {
    errors.add('calendar.method', `Unknown method. RFC 5546 defines ${CALENDAR_METHODS.join(', ')}.`);
  }
  if (!content.trimStart().startsWith('BEGIN:VCALENDAR')) {
    errors.add('calendar.content', 'The content is not an iCalendar object. It must begin with BEGIN:VCALENDAR.');
  }
  const own = CALENDAR_METHOD.exec(content)?.[1];
  if (own !== undefined && own.toUpperCase() !== method.toUpperCase()) {
    errors.add('calendar.method', `The content has METHOD:${own}. Use the same method.`);
  }
}
