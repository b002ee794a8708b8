/** The three forms of a message for `POST /send`: JSON, a form with files, and a raw MIME message. */
import type { FastifyInstance, FastifyRequest, FastifySchemaCompiler } from 'fastify';
import type { TSchema } from 'typebox';
import type { WrittenDraft } from '../core/message/draft.ts';
import type { FieldError } from '../core/message/field-errors.ts';
import type { RawDraft } from '../core/message/raw-draft.ts';
import type { Checked, Draft } from '../core/submit/submission.ts';
import { readForm, readForms } from './forms.ts';
import { RequestError } from './problems.ts';
import { attachedErrors, compileShape, isObject, shapeErrors, wellShaped } from './schema-check.ts';
import { SendRequest } from './schemas/send.ts';
import { SendQuery } from './schemas/send-forms.ts';

const JSON_TYPE = 'application/json';
export const RFC822 = 'message/rfc822';

/** Parameters that `message/rfc822` has in the query, and the other forms in the body. */
const RAW_PARAMETERS: readonly (keyof SendQuery)[] = ['to', 'mailbox', 'priority', 'sendAt', 'expiresAt'];

/** A message as it came in. */
export interface Received {
  /** Its fields that have the right shape. */
  readonly draft: Draft;
  /** For the digest of the request: the same for the same request. */
  readonly body: unknown;
  /** What has the wrong shape. */
  readonly shapeErrors: readonly FieldError[];
}

/** To be called in the context of the route that takes these bodies. */
export function acceptBodies(app: FastifyInstance, bytesMax: number): void {
  readForms(app, bytesMax);
  app.addContentTypeParser(RFC822, { parseAs: 'buffer' }, (_request, body, done) => done(null, body));
}

/** Only JSON and the query can be checked by Fastify; the other bodies are read first. */
export const compileJson: FastifySchemaCompiler<TSchema> = (route) => {
  const { contentType } = route as { contentType?: string };
  return contentType === undefined || contentType === JSON_TYPE ? compileShape(route) : (value: unknown) => ({ value });
};

/** @throws RequestError when the query is wrong, or the body cannot be read. */
export async function receiveMessage(request: FastifyRequest, bytesMax: number): Promise<Received> {
  // Without a Content-Type and a length nothing has looked at the body.
  if (request.body === undefined && !request.isMultipart())
    throw new RequestError('invalid-json', { detail: 'The body is empty.' });
  const misshapen = attachedErrors(request);
  if (Buffer.isBuffer(request.body)) return receiveRaw(request.body, request.query, misshapen);
  refuseRawQuery(request);
  if (!request.isMultipart()) return receiveWritten(request.body, misshapen);
  if (misshapen.length > 0) throw new RequestError('invalid-message', { errors: misshapen });
  const { fields, errors } = await readForm(request, bytesMax);
  return receiveWritten(fields, [...errors, ...shapeErrors(fields, SendRequest)]);
}

/** A message in fields. @throws RequestError when it is not an object. */
export function receiveWritten(body: unknown, shape: readonly FieldError[]): Received {
  if (!isObject(body)) throw new RequestError('invalid-message', { errors: shape });
  const fields = (shape.length > 0 ? wellShaped(body, SendRequest) : body) as WrittenDraft;
  return { draft: { ...fields, kind: 'written' }, body, shapeErrors: shape };
}

function receiveRaw(bytes: Buffer, query: unknown, shape: readonly FieldError[]): Received {
  if (bytes.length === 0)
    throw new RequestError('invalid-message', { errors: [{ field: 'body', message: 'The body is empty.' }] });
  const { to, mailbox, priority, sendAt, expiresAt } = wellShaped(query as object, SendQuery) as SendQuery;
  const draft: Draft = {
    kind: 'raw',
    bytes,
    ...(to !== undefined && { recipients: [to].flat().flatMap((list) => list.split(',').map((one) => one.trim())) }),
    ...(mailbox !== undefined && { mailbox }),
    ...(priority !== undefined && { priority: priority as NonNullable<RawDraft['priority']> }),
    ...(sendAt !== undefined && { sendAt }),
    ...(expiresAt !== undefined && { expiresAt }),
  };
  return { draft, body: bytes, shapeErrors: shape };
}

/** What a raw message has in the query is in the body of the others. */
function refuseRawQuery({ query }: FastifyRequest): void {
  const given = RAW_PARAMETERS.filter((name) => Object.hasOwn(query as object, name));
  const errors = given.map((name) => ({
    field: `?${name}`,
    message: `Only for ${RFC822}. Give it in the body instead.`,
  }));
  if (errors.length > 0) throw new RequestError('invalid-message', { errors });
}

/** One field of each group is enough. When another one of the group is misshapen, it is wrong to ask for the first. */
const ONE_IS_ENOUGH = [
  ['to', 'cc', 'bcc'],
  ['text', 'html', 'calendar', 'attachments'],
];

const ERRORS_MAX = 100;

/** What is wrong with the message's shape, and with the values of its other fields: all can be fixed at once. */
export function allErrors({ draft, shapeErrors }: Received, check: (draft: Draft) => Checked): readonly FieldError[] {
  const checked = check(draft);
  const more = 'errors' in checked ? checked.errors : [];
  const excused = excusedFields(shapeErrors);
  return [...shapeErrors, ...more.filter(({ field }) => !excused.has(field))].slice(0, ERRORS_MAX);
}

function excusedFields(shapeErrors: readonly FieldError[]): ReadonlySet<string> {
  const wrong = new Set(shapeErrors.map(({ field }) => field.split(/[.[]/, 1)[0] ?? ''));
  const excused = ONE_IS_ENOUGH.filter((group) => group.some((field) => wrong.has(field))).map(([first = '']) => first);
  return new Set(excused);
}
