/** The JSON and the answers of `POST /send`: the shape of each field. Core checks what its value may be. */
import { type Static, type TSchema, Type } from 'typebox';
import { SEND_EXAMPLES } from './examples.ts';

/** Holds a description of one use of a named schema, until openapi.ts puts a reference to the name there. */
export const DESCRIPTION_HERE = 'x-description';

/** The schema with a description of its own at this place. */
export function described<Schema extends TSchema>(schema: Schema, description: string): Schema {
  return { ...schema, [DESCRIPTION_HERE]: description };
}

const level = (description: string) => Type.Enum(['high', 'normal', 'low'], { type: 'string', description });
const Address = Type.Union(
  [
    Type.String({ description: '`name@example.com` or `Name <name@example.com>`' }),
    Type.Object({ name: Type.Optional(Type.String()), address: Type.String() }, { additionalProperties: false }),
  ],
  { title: 'Address', description: 'An email address, with or without a display name.' },
);
const Addresses = Type.Union([Address, Type.Array(Address)], {
  title: 'Addresses',
  description: 'An address or a list of addresses.',
});
/** Not TypeBox's record: its pattern does not check the value of a key with a line break. */
const stringMap = (description: string) =>
  Type.Unsafe<Record<string, string>>({ type: 'object', additionalProperties: Type.String(), description });

const Attachment = Type.Object(
  {
    filename: Type.String({ description: 'The file name without a path. It may contain non-ASCII characters.' }),
    content: Type.String({ description: 'Base64 (RFC 4648 section 4). Line breaks are ignored.' }),
    contentType: Type.Optional(Type.String({ description: 'The media type. Default: by the file name.' })),
    contentId: Type.Optional(
      Type.String({ description: 'Makes this an inline part, for `<img src="cid:…">` in `html`.' }),
    ),
  },
  { title: 'Attachment', additionalProperties: false },
);

const Calendar = Type.Object(
  {
    method: Type.String({
      description: 'The iTIP method (RFC 5546), such as `REQUEST` or `CANCEL`. Must match the content.',
    }),
    content: Type.String({
      description: 'The iCalendar object (RFC 5545), from `BEGIN:VCALENDAR` to `END:VCALENDAR`.',
    }),
  },
  { title: 'Calendar', additionalProperties: false },
);

const timestamp = (description: string) => Type.String({ format: 'date-time', description });

/** Without a `format`: core explains what is wrong with a time. */
const moment = (description: string) => Type.String({ description, examples: ['2026-12-24T18:00:00Z'] });

export const SendRequest = Type.Object(
  {
    from: Type.Optional(
      described(Address, "The sender. Default: the mailbox's own address. Others must be in the mailbox's `sendAs`."),
    ),
    to: Type.Optional(described(Addresses, 'The recipients.')),
    cc: Type.Optional(described(Addresses, 'The recipients of a copy.')),
    bcc: Type.Optional(described(Addresses, 'The recipients of a copy that other recipients do not see.')),
    replyTo: Type.Optional(described(Addresses, 'Where replies go. Default: the sender.')),
    subject: Type.Optional(Type.String({ description: 'At most 998 characters, no line breaks.' })),
    text: Type.Optional(Type.String({ description: 'The body as plain text.' })),
    html: Type.Optional(Type.String({ description: 'The body as HTML. Add `text` as well if you can.' })),
    headers: Type.Optional(
      stringMap('Extra headers. Headers that relay365 sets itself (From, Date, Content-Type…) are refused.'),
    ),
    attachments: Type.Optional(Type.Array(Attachment)),
    calendar: Type.Optional(Calendar),
    importance: Type.Optional(level('The importance that mail programs show.')),
    priority: Type.Optional(level("The priority in the mailbox's queue. Default: `normal`.")),
    mailbox: Type.Optional(
      Type.String({
        description: 'The mailbox or pool that sends. Default: the mailbox that owns `from`, otherwise the first.',
      }),
    ),
    sendAt: Type.Optional(moment('Do not send before this time: RFC 3339, up to 30 days ahead.')),
    expiresAt: Type.Optional(
      moment(
        'Stop trying at this time: RFC 3339, up to 30 days ahead. Default: `MESSAGE_TTL_HOURS` after `sendAt` or now.',
      ),
    ),
    metadata: Type.Optional(
      stringMap('Up to 20 pairs of your own. `GET /messages/{id}` returns them; they are never sent.'),
    ),
  },
  {
    title: 'SendRequest',
    additionalProperties: false,
    description:
      'A message. It requires at least one recipient in `to`, `cc` or `bcc` (500 at most in total), and one of `text`, ' +
      '`html`, `attachments` and `calendar`.',
    'x-examples': SEND_EXAMPLES,
  },
);
export type SendRequest = Static<typeof SendRequest>;

export const SendAnswer = Type.Object(
  {
    id: Type.String({ description: 'The id for `GET /messages/{id}`.' }),
    status: Type.String({ enum: ['queued', 'scheduled'] }),
    mailbox: Type.String({ description: 'The mailbox or pool that sends it.' }),
    messageId: Type.String({ description: 'The Message-ID header.' }),
    acceptedAt: timestamp('When it was queued.'),
    sendAt: Type.Optional(timestamp('The requested time of sending.')),
    estimatedAt: timestamp('When it will probably be sent.'),
  },
  { title: 'SendAnswer' },
);
export type SendAnswer = Static<typeof SendAnswer>;

export const DryRunAnswer = Type.Object(
  {
    dryRun: Type.Boolean(),
    mailbox: Type.String({ description: 'The mailbox or pool that would send it.' }),
    envelope: Type.Object({ from: Type.String(), to: Type.Array(Type.String()) }, { title: 'Envelope' }),
    sizeBytes: Type.Integer({ description: 'The size of the composed message.' }),
    sendAt: Type.Optional(timestamp('When it would be sent.')),
    expiresAt: timestamp('When relay365 would stop trying.'),
  },
  { title: 'DryRunAnswer' },
);
