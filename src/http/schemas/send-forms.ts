/** What `POST /send` takes besides JSON: a form, a raw MIME message, and its query. */
import { type Static, Type } from 'typebox';
import { FORM_EXAMPLES, RAW_EXAMPLES } from './examples.ts';
import { SendRequest } from './send.ts';

/** Swagger UI fills a form with the examples of its fields, and with "string" for a field without one. */
const field = (description: string, example = '') => Type.Optional(Type.String({ description, examples: [example] }));
const fields = (description: string, examples: readonly string[] = []) =>
  Type.Optional(Type.Array(Type.String(), { description, examples: [examples] }));
const files = (description: string) =>
  Type.Optional(
    Type.Unsafe<unknown>({ type: 'array', items: { type: 'string', format: 'binary' }, description, examples: [[]] }),
  );

/** A message as a form, whose fields are strings. */
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
    inline: files('Images of the html, by file name: `<img src="cid:logo.png">`.'),
    calendar: field('`method` and `content` as JSON.'),
    headers: field('An object as JSON.'),
    metadata: field('An object as JSON.', FORM_EXAMPLES.text.value.metadata),
    ...Type.Pick(SendRequest, ['importance', 'priority']).properties,
    mailbox: field('The mailbox or pool that sends.'),
    sendAt: field('Do not send before this time: RFC 3339, up to 30 days ahead.'),
    expiresAt: field('Stop trying at this time: RFC 3339, up to 30 days ahead.'),
  },
  { title: 'SendForm', additionalProperties: false, 'x-examples': FORM_EXAMPLES },
);

const RawMail = Type.String({
  description: 'A raw MIME message (RFC 5322).',
  'x-examples': RAW_EXAMPLES,
});

/** The three forms of a body. */
export const SEND_BODY = {
  content: {
    'application/json': { schema: SendRequest },
    'multipart/form-data': { schema: SendForm },
    'message/rfc822': { schema: RawMail },
  },
};

const forRaw = (description: string) => `${description} Only for \`message/rfc822\`.`;

/** Unknown parameters are refused: a misspelt one must not be ignored. */
export const SendQuery = Type.Object(
  {
    dryRun: Type.Optional(
      Type.String({ enum: ['true', 'false'], description: 'Check the message but do not queue it.' }),
    ),
    to: Type.Optional(
      Type.Union([Type.String(), Type.Array(Type.String())], {
        description: forRaw('Envelope recipients, comma-separated. Overrides To, Cc and Bcc.'),
      }),
    ),
    mailbox: Type.Optional(Type.String({ description: forRaw('The mailbox or pool that sends.') })),
    priority: Type.Optional(
      Type.String({ enum: ['high', 'normal', 'low'], description: forRaw('The priority in the queue.') }),
    ),
    sendAt: Type.Optional(Type.String({ description: forRaw('Do not send before this time.') })),
    expiresAt: Type.Optional(Type.String({ description: forRaw('Stop trying at this time.') })),
  },
  { additionalProperties: false },
);
export type SendQuery = Static<typeof SendQuery>;
