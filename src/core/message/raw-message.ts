/**
 * A ready mail (RFC 5322) as a program hands it over. It goes out byte for byte but for what a submission server must
 * do (RFC 6409 8): Bcc is taken out, and Date, Message-ID and From are added when they are missing.
 */
import { type Address, addressKey, formatAddress, parseAddress } from './address.ts';
import { FieldErrors, type FieldError } from './field-errors.ts';
import { withCrlf } from './line-ends.ts';
import { type HeaderField, readHeader, titled, withFields, withJoined, without } from './raw-header.ts';

/** How the values of header fields are read; the caller has a library for it. */
export interface HeaderValues {
  /** The addresses of a list with names, groups and comments: RFC 5322 3.4. */
  readonly addresses: (value: string) => readonly { readonly name: string; readonly address: string }[];
  /** Encoded words as text: RFC 2047. */
  readonly text: (value: string) => string;
}

/** What is known of a ready mail from its header. */
export interface RawMessage {
  readonly from?: Address;
  readonly to: readonly Address[];
  readonly cc: readonly Address[];
  readonly bcc: readonly Address[];
  readonly subject: string;
  /** With its angle brackets. */
  readonly messageId?: string;
  readonly hasDate: boolean;
  /** The mail without Bcc, with CRLF line ends. */
  readonly bytes: Buffer;
}

const HIDDEN = new Set(['bcc', 'resent-bcc']);
/** One that is there and empty is as good as missing, and must not stand beside the one that is added. */
const ADDED = new Set(['from', 'date', 'message-id']);
/** Fields of which RFC 5322 3.6 allows one: two of them are how a mail is made to look like another's. */
const ONCE = ['from', 'sender', 'subject', 'date', 'message-id', 'reply-to', 'mime-version'];
/** Of these, several are joined: scripts give mail() of PHP a To beside its own, and all of them are meant. */
const LISTS = ['to', 'cc', 'bcc'];
const SUBJECT_LENGTH_MAX = 998;
/** RFC 5321 6.3: a mail that has passed so many servers goes in a circle. */
const HOPS_MAX = 100;
/** An older way to give the name: `name@example.com (Name)`. */
const TRAILING_COMMENT = /\([^()]*\)$/;

/**
 * Reads a mail's header; the errors name the header's fields. `isEnvelopeKnown`: the recipients stand beside the mail, and
 * what its header calls them is for people, such as cron's "To: root".
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
  if (others.length > 0) errors.add('From', 'Name one sender: Exchange takes no mail from several.');
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
    errors.add('body', 'This is no mail: it must begin with header fields, like "To: someone@example.com".');
  return { message, errors: errors.all };
}

/** The mail as it goes out through another mailbox of its pool: From is that one, the rest as it is. */
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

/** The mail without a sender, for one to be added; who wrote it gets the answers, unless the mail says who does. */
export function withoutSender({ from, bytes, ...rest }: RawMessage): RawMessage {
  const { fields } = readHeader(bytes);
  const others = without(
    bytes,
    fields.filter(({ name }) => name === 'from' || name === 'sender'),
  );
  const saysWho = !from || fields.some(({ name }) => name === 'reply-to');
  return { ...rest, bytes: saysWho ? others : withFields(others, [`Reply-To: ${formatAddress(from)}`]) };
}

function checkOnce(fields: readonly HeaderField[], errors: FieldErrors): void {
  for (const name of ONCE) {
    if (fields.filter((field) => field.name === name).length > 1)
      errors.add(titled(name), 'Stands in the header more than once.');
  }
}

/** Each server on the way adds a Received, this one too. */
function checkHops(fields: readonly HeaderField[], errors: FieldErrors): void {
  const hops = fields.filter(({ name }) => name === 'received').length;
  if (hops > HOPS_MAX)
    errors.add('Received', `The mail has passed ${hops} servers, so it goes in a circle: see who sends it back here.`);
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
 * A sender must read the same for everyone: where the library is lenient, another program may show another address. And
 * who is shown as "on behalf of" must be who was allowed to send.
 */
function checkSender(name: string, value: string | undefined, from: Address | undefined, errors: FieldErrors): void {
  if (value === undefined) return;
  const parsed = parseAddress(value.replace(TRAILING_COMMENT, ''));
  if (!parsed.ok) errors.add(titled(name), `Write it as Name <name@example.com>; it ${parsed.problem}.`);
  else if (from && addressKey(parsed.address.address) !== addressKey(from.address))
    errors.add(titled(name), `Must be the address of From, ${from.address}.`);
}
