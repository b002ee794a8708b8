/** `POST /send`: takes a message into the queue, or says everything that is wrong with it. */
import type { FastifyInstance, FastifyReply, FastifyRequest, FastifySchemaCompiler } from 'fastify';
import type { TSchema } from 'typebox';
import type { Compose } from '../../core/deliver/attempt.ts';
import type { Draft } from '../../core/message/draft.ts';
import type { FieldError } from '../../core/message/field-errors.ts';
import type { Directory, Mailbox } from '../../core/mailbox/mailbox.ts';
import { recipientsOf } from '../../core/message/message.ts';
import type { RawDraft } from '../../core/message/raw-draft.ts';
import type { Prepare, Prepared, PrepareRaw, Submission } from '../../core/submit/submission.ts';
import type { Submit, SubmitAll, SubmitRaw } from '../../core/submit/submit.ts';
import { type FindErrors, openFindErrors } from '../validate.ts';
import { readForm, readForms } from '../forms.ts';
import { readIdempotency } from '../idempotency.ts';
import { RequestError, sendProblem } from '../problems.ts';
import { readRawMail, readRawMails, RFC822 } from '../raw-messages.ts';
import { DRY_RUN_EXAMPLE, SEND_ANSWER_EXAMPLE } from '../schemas/examples.ts';
import { IDEMPOTENCY_HEADERS, idempotentAnswer, guardedAnswers, withMediaType } from '../schemas/answers.ts';
import { DryRunAnswer, SEND_BODY, SendAnswer, SendQuery, SendRequest } from '../schemas/send.ts';
import { answerOne, refuse } from '../send-answers.ts';
import { attachedErrors, compileShape, shapeErrors } from '../schema-check.ts';

export interface SendDependencies {
  readonly submit: Submit;
  readonly submitRaw: SubmitRaw;
  readonly submitAll: SubmitAll;
  readonly prepare: Prepare;
  readonly prepareRaw: PrepareRaw;
  readonly compose: Compose;
  readonly directory: () => Directory;
}

/** Base64 in JSON takes no more room than in a composed mail; text may take more where JSON escapes it. */
const BODY_PER_MESSAGE_BYTE = 1.5;
const BODY_BYTES_BESIDES = 1024 ** 2;
const JSON_TYPE = 'application/json';

export function sendRoute(app: FastifyInstance, dependencies: SendDependencies): void {
  const { directory } = dependencies;
  const bodyLimit = bodyBytesMax(directory().mailboxes);
  readForms(app, bodyLimit);
  readRawMails(app);
  const options = { links, attachValidation: true, bodyLimit, config: { scope: 'send' } as const };
  app.post('/send', { ...options, schema, validatorCompiler: compileJson }, async (request, reply) => {
    const read = await readMail(request, bodyLimit, dependencies);
    if (read.kind === 'misshapen')
      return refuseShape(request, reply, read.body, read.errors, openFindErrors(directory()));
    return isDryRun(request) ? dryRun(request, reply, read, dependencies) : submit(request, reply, read, dependencies);
  });
}

/** JSON and the query have a shape; the other bodies are read first. */
const compileJson: FastifySchemaCompiler<TSchema> = (route) => {
  const { contentType } = route as { contentType?: string };
  return contentType === undefined || contentType === JSON_TYPE ? compileShape(route) : (value: unknown) => ({ value });
};

type ReadMail =
  | { readonly kind: 'draft'; readonly draft: Draft }
  | { readonly kind: 'raw'; readonly draft: RawDraft }
  | { readonly kind: 'misshapen'; readonly body: unknown; readonly errors: readonly FieldError[] };

/** The mail in whichever form it came. @throws RequestError when the query is wrong, or the body can't be read. */
async function readMail(
  request: FastifyRequest,
  bytesMax: number,
  { prepareRaw }: SendDependencies,
): Promise<ReadMail> {
  // Without a Content-Type and a length nothing has looked at the body.
  if (request.body === undefined && !request.isMultipart())
    throw new RequestError('invalid-json', { detail: 'The body is empty.' });
  const misshapen = attachedErrors(request);
  if (Buffer.isBuffer(request.body)) {
    const draft = readRawMail(request);
    if (misshapen.length > 0) refuseAll(misshapen, prepareRaw(draft, request.client));
    return { kind: 'raw', draft };
  }
  refuseRawQuery(request);
  if (!request.isMultipart()) {
    const { body } = request;
    return misshapen.length > 0
      ? { kind: 'misshapen', body, errors: misshapen }
      : { kind: 'draft', draft: body as Draft };
  }
  if (misshapen.length > 0) throw new RequestError('invalid-message', { errors: misshapen });
  const { fields, errors: formErrors } = await readForm(request, bytesMax);
  const errors = [...formErrors, ...shapeErrors(fields, SendRequest)];
  return errors.length > 0 ? { kind: 'misshapen', body: fields, errors } : { kind: 'draft', draft: fields as Draft };
}

/** A query whose shape is wrong, and all that is wrong besides. */
function refuseAll(misshapen: readonly FieldError[], prepared: Prepared): never {
  const more = 'errors' in prepared ? prepared.errors : [];
  throw new RequestError('invalid-message', { errors: [...misshapen, ...more] });
}

const RAW_PARAMETERS: readonly (keyof SendQuery)[] = ['to', 'mailbox', 'priority', 'sendAt', 'expiresAt'];

/** What a ready mail has in the query stands in the body of the others. */
function refuseRawQuery({ query }: FastifyRequest): void {
  const given = RAW_PARAMETERS.filter((name) => Object.hasOwn(query as object, name));
  const errors = given.map((name) => ({
    field: `?${name}`,
    message: `Is for ${RFC822} alone: give it in the body.`,
  }));
  if (errors.length > 0) throw new RequestError('invalid-message', { errors });
}

function isDryRun({ query }: FastifyRequest): boolean {
  return (query as SendQuery).dryRun === 'true';
}

async function submit(
  request: FastifyRequest,
  reply: FastifyReply,
  read: Exclude<ReadMail, { kind: 'misshapen' }>,
  dependencies: SendDependencies,
): Promise<FastifyReply> {
  const idempotency = readIdempotency(request, read.kind === 'raw' ? read.draft.bytes : read.draft);
  const outcome =
    read.kind === 'raw'
      ? await dependencies.submitRaw(read.draft, request.client, idempotency)
      : await dependencies.submit(read.draft, request.client, idempotency);
  return answerOne(request, reply, outcome);
}

async function dryRun(
  request: FastifyRequest,
  reply: FastifyReply,
  read: Exclude<ReadMail, { kind: 'misshapen' }>,
  { prepare, prepareRaw, compose }: SendDependencies,
): Promise<FastifyReply> {
  const prepared = read.kind === 'raw' ? prepareRaw(read.draft, request.client) : prepare(read.draft, request.client);
  if (prepared.kind !== 'prepared') return refuse(request, reply, prepared);
  return answerDryRun(request, reply, prepared.submission, compose);
}

const schema = {
  operationId: 'sendMessage',
  tags: ['Messages'],
  summary: 'Send a mail',
  description:
    'Puts a mail into the queue of its mailbox. 202 means that the queue has it, and it will be tried until Exchange ' +
    'takes it or refuses it for good; `GET /messages/{id}` tells which.\n\n' +
    'With an `Idempotency-Key`, the same request sent again within 24 hours gives the first answer again and no second ' +
    'mail. With `?dryRun=true` everything is checked and nothing queued; `Accept: message/rfc822` then gives the mail as ' +
    'Exchange would get it.\n\n' +
    'A mail may come as JSON, as a form with files, or ready made as `message/rfc822`, which goes out as it is but for Bcc ' +
    'and what it lacks of Date, Message-ID and From.',
  headers: IDEMPOTENCY_HEADERS,
  querystring: SendQuery,
  body: SEND_BODY,
  response: {
    200: withMediaType(
      'A dry run: the mail would be taken.',
      { schema: DryRunAnswer, example: DRY_RUN_EXAMPLE },
      RFC822,
      'The composed mail.',
    ),
    202: idempotentAnswer('The mail is queued.', SendAnswer, SEND_ANSWER_EXAMPLE, {
      Location: 'Where to ask what became of it: `/messages/{id}`.',
    }),
    ...guardedAnswers(
      'invalid-json',
      'sender-not-allowed',
      'request-timeout',
      'body-too-large',
      'message-too-large',
      'unsupported-media-type',
      'invalid-message',
      'idempotency-key-reused',
      'client-queue-full',
      'queue-unavailable',
      'queue-unanswered',
      'queue-full',
      'receiving-full',
    ),
  },
};

/** OpenAPI's way to say what the answer's id is for. */
const links = { 202: { message: { operationId: 'getMessage', parameters: { id: '$response.body#/id' } } } };

/** What the largest message of any mailbox needs as JSON. */
export function bodyBytesMax(mailboxes: readonly Mailbox[]): number {
  const messageBytesMax = Math.max(...mailboxes.map(({ limits }) => limits.messageSizeBytesMax));
  return Math.ceil(messageBytesMax * BODY_PER_MESSAGE_BYTE) + BODY_BYTES_BESIDES;
}

async function refuseShape(
  request: FastifyRequest,
  reply: FastifyReply,
  body: unknown,
  shape: readonly FieldError[],
  findErrors: FindErrors,
): Promise<FastifyReply> {
  return sendProblem(request, reply, 'invalid-message', { errors: await findErrors(body, shape) });
}

async function answerDryRun(
  request: FastifyRequest,
  reply: FastifyReply,
  { message, content }: Submission,
  compose: Compose,
): Promise<FastifyReply> {
  const bytes = await compose(message, content);
  if (request.headers.accept?.includes(RFC822)) return reply.type(RFC822).send(bytes);
  const { mailbox, from, sendAt, expiresAt } = message;
  return reply.send({
    dryRun: true,
    mailbox,
    envelope: { from: from.address, to: recipientsOf(message) },
    sizeBytes: bytes.length,
    ...(sendAt && { sendAt: sendAt.toISOString() }),
    expiresAt: expiresAt.toISOString(),
  });
}
