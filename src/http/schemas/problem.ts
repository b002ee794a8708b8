/** RFC 9457 as this API fills it in, with an example of each kind of problem. */
import { Type } from 'typebox';
import type { ProblemCode, ProblemDetails } from '../problems.ts';

const FieldErrorSchema = Type.Object(
  {
    field: Type.String({ description: 'The path of the field, such as `attachments[0].content`.' }),
    message: Type.String({ description: 'What is wrong, and how to fix it.' }),
  },
  { title: 'FieldError' },
);

export const ProblemSchema = Type.Object(
  {
    type: Type.String({ format: 'uri', description: 'The type of the problem. It never changes.' }),
    title: Type.String(),
    status: Type.Integer(),
    detail: Type.Optional(Type.String({ description: 'What is wrong with this request.' })),
    errors: Type.Optional(Type.Array(FieldErrorSchema, { description: 'Every invalid field.' })),
    sizeBytes: Type.Optional(Type.Integer({ description: 'The size of the request or message.' })),
    sizeBytesMax: Type.Optional(Type.Integer({ description: 'The limit.' })),
    requestId: Type.String({ description: 'The same as `X-Request-Id`. The log has more under it.' }),
  },
  { title: 'Problem', description: 'RFC 9457' },
);

export const EXAMPLE_REQUEST_ID = '0d6f1c1b-7a55-4f6e-8d7e-3f7a0c5a9b11';
const MEGABYTE = 1024 ** 2;

export const EXAMPLE_DETAILS: Partial<Record<ProblemCode, ProblemDetails>> = {
  'invalid-json': { detail: 'Unexpected end of JSON input' },
  unauthorized: { detail: 'Send the header Authorization: Bearer KEY with a valid API key.' },
  'not-local': { detail: 'The request is for a host other than localhost. Set API_KEYS to serve others.' },
  'sender-not-allowed': {
    errors: [
      {
        field: 'from',
        message: 'No mailbox may send as this address. Leave from out, or use one of: noreply@contoso.com.',
      },
    ],
  },
  'body-too-large': {
    detail: 'The body has 62914560 bytes. The limit is 56098816 bytes.',
    sizeBytes: 60 * MEGABYTE,
    sizeBytesMax: 53.5 * MEGABYTE,
  },
  'message-too-large': {
    detail: 'The composed message would have about 42991616 bytes. The limit of noreply@contoso.com is 36700160 bytes.',
    sizeBytes: 41 * MEGABYTE,
    sizeBytesMax: 35 * MEGABYTE,
  },
  'unsupported-media-type': { detail: 'The Content-Type text/plain is not supported. Send application/json.' },
  'invalid-message': {
    errors: [
      { field: 'to', message: 'Give at least one recipient in to, cc or bcc.' },
      { field: 'reply_to', message: 'Unknown field. Did you mean replyTo?' },
    ],
  },
};
