/** The forms in which `POST /send` takes a mail besides JSON, and its query. */
import { type Static, Type } from 'typebox';
import { FORM_EXAMPLES, RAW_EXAMPLES } from './examples.ts';
import { SendRequest } from './send.ts';

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
