/**
 * A raw message (RFC 5322) as a program hands it over. It is sent byte for byte, except for what a submission server must
 * do (RFC 6409 8): Bcc is removed, and Date, Message-ID and From are added when they are missing.
 */
import { type Address, addressKey, formatAddress, parseAddress } from './address.ts';
import { FieldErrors, type FieldError } from './field-errors.ts';
import { withCrlf } from './line-ends.ts';
import { type HeaderField, readHeader, titled, withFields, withJoined, without } from './raw-header.ts';

/** Reads the values of header fields; the caller has a library for it. */
export interface HeaderValues {
  /** The addresses of a list with names, groups and comments: RFC 5322 3.4. */
  readonly addresses: (value: string) => readonly { readonly name: string; readonly address: string }[];
  /** Encoded words as text: RFC 2047. */
  readonly text: (value: string) => string;
}

/** What the header of a raw message says. */
export interface RawMessage {
  readonly from?: Address;
  readonly to: readonly Address[];
  readonly cc: readonly Address[];
  readonly bcc: readonly Address[];
  readonly subject: string;
  /** With its angle brackets. */
  readonly messageId?: string;
  readonly hasDate: boolean;
  /** The message without Bcc, with CRLF line ends. */
  readonly bytes: Buffer;
}

const HIDDEN = new Set(['bcc', 'resent-bcc']);
/** An empty one counts as missing, and must go when another is added. */
const ADDED = new Set(['from', 'date', 'message-id']);
/** Fields of which RFC 5322 3.6 allows one. A second one can disguise the sender. */
const ONCE = ['from', 'sender', 'subject', 'date', 'message-id', 'reply-to', 'mime-version'];
/** Several of these are joined: scripts add a To to the one of PHP's mail(), and mean both. */
const LISTS = ['to', 'cc', 'bcc'];
const SUBJECT_LENGTH_MAX = 998;
/** RFC 5321 6.3: a message with more Received fields is in a loop. */
const HOPS_MAX = 100;
/** An older way to give the name: `name@example.com (Name)`. */
const TRAILING_COMMENT = /\([^()]*\)$/;

/**
 * Reads the header; the errors name its fields. With `isEnvelopeKnown` the recipients come from the envelope, and those in
 * the header are only shown, such as cron's "To: root".
 */
export function readRawMessage(
  given: Buffer,
  values: HeaderValues,
  isEnvelopeKnown: boolean,
): { readonly message: RawMessage; readonly errors: readonly FieldError[] } {
  const errors = new FieldErrors();
  const bytes = withCrlf(given);
  const { fields, end } = readHeader(bytes, errors);
  const several = LISTS.find((list) => fields.filter(({ name }) => name === list).length > 1);
  if (several !== undefined) return readRawMessage(withJoined(bytes, fields, several), values, isEnvelopeKnown);
  checkOnce(fields, errors);
  checkHops(fields, errors);
  const value = (name: string) => fields.find((field) => field.name === name)?.value;
  const [from, ...others] = readAddresses('from', value('from'), values, errors);
  const recipientErrors = isEnvelopeKnown ? new FieldErrors() : errors;
  const recipients = (name: string) => readAddresses(name, value(name), values, recipientErrors);
  if (others.length > 0) errors.add('From', 'Give one sender. Exchange does not accept a message from several.');
  checkSender('from', value('from') || undefined, from, errors);
  checkSender('sender', value('sender'), from, errors);
  const messageId = value('message-id')?.trim();
  const message: RawMessage = {
    ...(from && { from }),
    to: recipients('to'),
    cc: recipients('cc'),
    bcc: recipients('bcc'),
    subject: values.text(value('subject')?.trim() ?? '').slice(0, SUBJECT_LENGTH_MAX),
    ...(messageId && { messageId }),
    hasDate: Boolean(value('date')),
    bytes: without(
      bytes,
      fields.filter((field) => HIDDEN.has(field.name) || (field.value === '' && ADDED.has(field.name))),
    ),
  };
  if (end === 0)
    errors.add(
      'body',
      'This is not a message (RFC 5322). It must begin with header fields, like "To: someone@example.com".',
    );
  return { message, errors: errors.all };
}

/** The message as another mailbox of its pool sends it: with another From. */
export function withFrom(bytes: Buffer, from: string): Buffer {
  const { fields } = readHeader(bytes);
  return withFields(
    without(
      bytes,
      fields.filter(({ name }) => name === 'from'),
    ),
    [`From: ${from}`],
  );
}

/** The message without a sender, so that one can be added. Replies go to the old one, unless Reply-To says otherwise. */
export function withoutSender({ from, bytes, ...rest }: RawMessage): RawMessage {
  const { fields } = readHeader(bytes);
  const others = without(
    bytes,
    fields.filter(({ name }) => name === 'from' || name === 'sender'),
  );
  const hasReplyTo = !from || fields.some(({ name }) => name === 'reply-to');
  return { ...rest, bytes: hasReplyTo ? others : withFields(others, [`Reply-To: ${formatAddress(from)}`]) };
}

function checkOnce(fields: readonly HeaderField[], errors: FieldErrors): void {
  for (const name of ONCE) {
    if (fields.filter((field) => field.name === name).length > 1)
      errors.add(titled(name), 'Appears more than once in the header.');
  }
}

/** Each server on the way adds a Received, including this one. */
function checkHops(fields: readonly HeaderField[], errors: FieldErrors): void {
  const hops = fields.filter(({ name }) => name === 'received').length;
  if (hops > HOPS_MAX)
    errors.add(
      'Received',
      `The message has passed ${hops} servers, so it is in a loop. Check which server sends it back here.`,
    );
}

function readAddresses(name: string, value: string | undefined, values: HeaderValues, errors: FieldErrors): Address[] {
  if (value === undefined) return [];
  return values.addresses(value).flatMap((found) => {
    const parsed = parseAddress({ name: values.text(found.name), address: found.address });
    if (parsed.ok) return [parsed.address];
    errors.add(titled(name), `The address ${parsed.problem}.`);
    return [];
  });
}

/**
 * A sender must be unambiguous: where the library is tolerant, another program may show another address. And the address
 * shown as "on behalf of" must be one that may send.
 */
function checkSender(name: string, value: string | undefined, from: Address | undefined, errors: FieldErrors): void {
  if (value === undefined) return;
  const parsed = parseAddress(value.replace(TRAILING_COMMENT, ''));
  if (!parsed.ok)
    errors.add(titled(name), `Must be written as Name <name@example.com>. The address ${parsed.problem}.`);
  else if (from && addressKey(parsed.address.address) !== addressKey(from.address))
    errors.add(titled(name), `Must be the same address as From, ${from.address}.`);
}
