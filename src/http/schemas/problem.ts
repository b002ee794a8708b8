/** RFC 9457 as this API fills it in, with an example of each kind of problem. */
import { Type } from 'typebox';
import type { ProblemCode, ProblemDetails } from '../problems.ts';

const FieldErrorSchema = Type.Object(
  {
    field: Type.String({ description: 'Its place in the request, such as `attachments[0].content`.' }),
    message: Type.String({ description: 'What is wrong and what would be right.' }),
  },
  { title: 'FieldError' },
);

export const ProblemSchema = Type.Object(
  {
    type: Type.String({ format: 'uri', description: 'The kind of problem; stable.' }),
    title: Type.String(),
    status: Type.Integer(),
    detail: Type.Optional(Type.String({ description: 'What is wrong with this request.' })),
    errors: Type.Optional(Type.Array(FieldErrorSchema, { description: 'All the fields that are wrong.' })),
    sizeBytes: Type.Optional(Type.Integer({ description: 'What was sent.' })),
    sizeBytesMax: Type.Optional(Type.Integer({ description: 'What is allowed.' })),
    requestId: Type.String({ description: 'The same as in `X-Request-Id`: the log has more under it.' }),
  },
  { title: 'Problem', description: 'RFC 9457' },
);

export const EXAMPLE_REQUEST_ID = '0d6f1c1b-7a55-4f6e-8d7e-3f7a0c5a9b11';
const MEGABYTE = 1024 ** 2;

export const EXAMPLE_DETAILS: Partial<Record<ProblemCode, ProblemDetails>> = {
  'invalid-json': { detail: 'Unexpected end of JSON input' },
  unauthorized: { detail: 'Send the header Authorization: Bearer KEY, with a key from API_KEYS.' },
  'not-local': { detail: 'The request is for a host other than localhost. Set API_KEYS to serve others.' },
  'sender-not-allowed': {
    errors: [
      {
        field: 'from',
        message: 'No mailbox here may send as this address. Leave from out, or use one of: noreply@contoso.com.',
      },
    ],
  },
  'body-too-large': { detail: 'The body is too large.', sizeBytes: 60 * MEGABYTE, sizeBytesMax: 53.5 * MEGABYTE },
  'message-too-large': { detail: 'The message is too large.', sizeBytes: 41 * MEGABYTE, sizeBytesMax: 35 * MEGABYTE },
  'unsupported-media-type': { detail: 'The body is text/plain; send application/json.' },
  'invalid-message': {
    errors: [
      { field: 'to', message: 'Give at least one recipient in to, cc or bcc.' },
      { field: 'reply_to', message: 'Unknown; did you mean replyTo?' },
    ],
  },
};
