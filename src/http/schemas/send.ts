/** The request and the answer of `POST /send`. What a field may hold is checked by core; here stands its shape. */
import { type Static, type TSchema, Type } from 'typebox';
import { described } from './described.ts';
import { BATCH_EXAMPLE, FORM_EXAMPLES, RAW_EXAMPLES, SEND_EXAMPLES } from './examples.ts';
import { ProblemSchema } from './problem.ts';

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

export const BATCH_MAX = 100;

/** Where the schema is a part of another, its examples would be taken for those of the whole. */
function withoutExamples(schema: TSchema & { 'x-examples'?: unknown }): TSchema {
  const { 'x-examples': _, ...rest } = schema;
  return rest;
}

/** A batch as it is documented; `BatchShape` is what is checked of it as a whole. */
export const BatchRequest = Type.Object(
  {
    messages: described(
      Type.Unsafe<unknown[]>({ type: 'array', items: withoutExamples(SendRequest) }),
      `1 to ${BATCH_MAX} mails, each as for \`POST /send\`.`,
    ),
  },
  {
    title: 'BatchRequest',
    additionalProperties: false,
    'x-examples': { two: { summary: 'Two mails', value: BATCH_EXAMPLE } },
  },
);

export const BatchShape = Type.Object(
  { messages: Type.Unsafe<unknown[]>({ type: 'array' }) },
  { additionalProperties: false },
);
export type BatchShape = Static<typeof BatchShape>;

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

const ErrorAnswer = Type.Omit(ProblemSchema, ['requestId'], { title: 'BatchError' });

export const BatchAnswer = Type.Object(
  {
    results: Type.Array(
      Type.Union(
        [
          Type.Object({ index: Type.Integer(), ...SendAnswer.properties }, { title: 'BatchAccepted' }),
          Type.Object({ index: Type.Integer(), error: ErrorAnswer }, { title: 'BatchRefused' }),
        ],
        { title: 'BatchResult' },
      ),
    ),
  },
  { title: 'BatchAnswer' },
);
export type BatchResult = Static<typeof BatchAnswer>['results'][number];

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

/** Swagger UI fills a form with the fields' own examples, and with "string" where there is none. */
const field = (description: string, example = '') => Type.Optional(Type.String({ description, examples: [example] }));
const fields = (description: string, examples: readonly string[] = []) =>
  Type.Optional(Type.Array(Type.String(), { description, examples: [examples] }));
const files = (description: string) =>
  Type.Optional(
    Type.Unsafe<unknown>({ type: 'array', items: { type: 'string', format: 'binary' }, description, examples: [[]] }),
  );

/** A mail as a form; strings are what a form has. */
const SendForm = Type.Object(
  {
    from: field('The sender, as in JSON.'),
    to: fields('One field for each recipient.', FORM_EXAMPLES.text.value.to),
    cc: fields('One field for each recipient.'),
    bcc: fields('One field for each recipient.'),
    replyTo: fields('One field for each address.'),
    subject: field('At most 998 characters, no line breaks.', FORM_EXAMPLES.text.value.subject),
    text: field('The body as plain text.', FORM_EXAMPLES.text.value.text),
    html: field('The body as HTML.'),
    attachments: files('Files to attach.'),
    inline: files('Images of the html, which names each by its file name: `<img src="cid:logo.png">`.'),
    calendar: field('`method` and `content` as JSON.'),
    headers: field('An object as JSON.'),
    metadata: field('An object as JSON.', FORM_EXAMPLES.text.value.metadata),
    ...Type.Pick(SendRequest, ['importance', 'priority']).properties,
    mailbox: field('Which mailbox sends.'),
    sendAt: field('Not before then: RFC 3339, up to 30 days ahead.'),
    expiresAt: field('Not after then: RFC 3339, up to 30 days ahead.'),
  },
  { title: 'SendForm', additionalProperties: false, 'x-examples': FORM_EXAMPLES },
);

const RawMail = Type.String({
  description: 'A ready mail (RFC 5322).',
  'x-examples': RAW_EXAMPLES,
});

/** The three forms in which a mail may come. */
export const SEND_BODY = {
  content: {
    'application/json': { schema: SendRequest },
    'multipart/form-data': { schema: SendForm },
    'message/rfc822': { schema: RawMail },
  },
};

const forRaw = (description: string) => `${description} For \`message/rfc822\` alone.`;

/** A misspelt parameter must not be passed over in silence. */
export const SendQuery = Type.Object(
  {
    dryRun: Type.Optional(Type.String({ enum: ['true', 'false'], description: 'Only check, and queue nothing.' })),
    to: Type.Optional(
      Type.Union([Type.String(), Type.Array(Type.String())], {
        description: forRaw(
          'Who gets the mail, in the place of those in its To, Cc and Bcc: addresses with commas between.',
        ),
      }),
    ),
    mailbox: Type.Optional(Type.String({ description: forRaw('Which mailbox or pool sends.') })),
    priority: Type.Optional(
      Type.String({ enum: ['high', 'normal', 'low'], description: forRaw('The lane in the queue.') }),
    ),
    sendAt: Type.Optional(Type.String({ description: forRaw('Not before then.') })),
    expiresAt: Type.Optional(Type.String({ description: forRaw('Not after then.') })),
  },
  { additionalProperties: false },
);
export type SendQuery = Static<typeof SendQuery>;
