/** The request and the answer of `POST /send`. What a field may hold is checked by core; here stands its shape. */
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
  { title: 'Address', description: 'One e-mail address, with or without a display name.' },
);
const Addresses = Type.Union([Address, Type.Array(Address)], {
  title: 'Addresses',
  description: 'One address or a list of them.',
});
/** A map and not TypeBox's record, whose pattern lets a key with a line break hold anything. */
const stringMap = (description: string) =>
  Type.Unsafe<Record<string, string>>({ type: 'object', additionalProperties: Type.String(), description });

const Attachment = Type.Object(
  {
    filename: Type.String({ description: 'The bare name that the recipient sees, non-ASCII allowed.' }),
    content: Type.String({ description: 'Base64 (RFC 4648 section 4); line breaks in it are ignored.' }),
    contentType: Type.Optional(
      Type.String({ description: 'The media type; without it, it follows from the file name.' }),
    ),
    contentId: Type.Optional(
      Type.String({ description: 'Makes it an inline part that the html shows by `<img src="cid:…">`.' }),
    ),
  },
  { title: 'Attachment', additionalProperties: false },
);

const Calendar = Type.Object(
  {
    method: Type.String({
      description: 'The iTIP method (RFC 5546), such as `REQUEST` or `CANCEL`; the same as in the content.',
    }),
    content: Type.String({
      description: 'The iCalendar object (RFC 5545), from `BEGIN:VCALENDAR` to `END:VCALENDAR`.',
    }),
  },
  { title: 'Calendar', additionalProperties: false },
);

const timestamp = (description: string) => Type.String({ format: 'date-time', description });

/** Without a `format`: core says in words what is wrong with one. */
const moment = (description: string) => Type.String({ description, examples: ['2026-12-24T18:00:00Z'] });

export const SendRequest = Type.Object(
  {
    from: Type.Optional(
      described(
        Address,
        "The sender; default: the mailbox's own address. Another must be one of the mailbox's `sendAs` addresses.",
      ),
    ),
    to: Type.Optional(described(Addresses, 'The recipients that everyone sees.')),
    cc: Type.Optional(described(Addresses, 'Those who get a copy, seen by everyone.')),
    bcc: Type.Optional(described(Addresses, 'Those who get a copy, seen by nobody else.')),
    replyTo: Type.Optional(described(Addresses, 'Where answers go; default: to the sender.')),
    subject: Type.Optional(Type.String({ description: 'At most 998 characters, no line breaks.' })),
    text: Type.Optional(Type.String({ description: 'The body as plain text.' })),
    html: Type.Optional(Type.String({ description: 'The body as HTML; give `text` as well where you can.' })),
    headers: Type.Optional(
      stringMap('Extra headers. Those that relay365 writes itself (From, Date, Content-Type…) are refused.'),
    ),
    attachments: Type.Optional(Type.Array(Attachment)),
    calendar: Type.Optional(Calendar),
    importance: Type.Optional(level('The header that mail programs show.')),
    priority: Type.Optional(level("The lane in the mailbox's queue; default `normal`.")),
    mailbox: Type.Optional(
      Type.String({ description: 'Which mailbox sends; default: the one that owns `from`, else the first.' }),
    ),
    sendAt: Type.Optional(moment('Not before then: RFC 3339, up to 30 days ahead.')),
    expiresAt: Type.Optional(
      moment(
        'Not after then: RFC 3339, up to 30 days ahead. Default: `MESSAGE_TTL_HOURS` from the time of sending on.',
      ),
    ),
    metadata: Type.Optional(
      stringMap('Up to 20 pairs of your own, given back by `GET /messages/{id}` and never sent.'),
    ),
  },
  {
    title: 'SendRequest',
    additionalProperties: false,
    description:
      'A mail: at least one recipient in `to`, `cc` or `bcc` (at most 500 in all), and something to read in `text`, ' +
      '`html`, `attachments` or `calendar`.',
    'x-examples': SEND_EXAMPLES,
  },
);
export type SendRequest = Static<typeof SendRequest>;

export const SendAnswer = Type.Object(
  {
    id: Type.String({ description: 'Ask `GET /messages/{id}` with it.' }),
    status: Type.String({ enum: ['queued', 'scheduled'] }),
    mailbox: Type.String({ description: 'The mailbox that sends it.' }),
    messageId: Type.String({ description: "The mail's Message-ID header." }),
    acceptedAt: timestamp('When it was put into the queue, on which the 202 stands.'),
    sendAt: Type.Optional(timestamp('When it is to be sent, if that was asked for.')),
    estimatedAt: timestamp("When the mailbox's limits and queue let it go."),
  },
  { title: 'SendAnswer' },
);
export type SendAnswer = Static<typeof SendAnswer>;

export const DryRunAnswer = Type.Object(
  {
    dryRun: Type.Boolean(),
    mailbox: Type.String({ description: 'The mailbox or pool that would send it.' }),
    envelope: Type.Object({ from: Type.String(), to: Type.Array(Type.String()) }, { title: 'Envelope' }),
    sizeBytes: Type.Integer({ description: 'Of the composed mail.' }),
    sendAt: Type.Optional(timestamp('When it would be sent.')),
    expiresAt: timestamp('When relay365 would stop trying.'),
  },
  { title: 'DryRunAnswer' },
);
