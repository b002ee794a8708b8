/** `POST /send`: queues a message, or says everything that is wrong with it. */
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { Static } from 'typebox';
import type { Compose } from '../../core/deliver/attempt.ts';
import { type Message, recipientsOf } from '../../core/message/message.ts';
import type { Outbox } from '../../core/submit/outbox.ts';
import type { Checked } from '../../core/submit/submission.ts';
import { acceptBodies, allErrors, compileJson, receiveMessage, RFC822 } from '../bodies.ts';
import { readIdempotency } from '../idempotency.ts';
import { RequestError } from '../problems.ts';
import { DRY_RUN_EXAMPLE, SEND_ANSWER_EXAMPLE } from '../schemas/examples.ts';
import { IDEMPOTENCY_HEADERS, idempotentAnswer, guardedAnswers, withMediaType } from '../schemas/answers.ts';
import { DryRunAnswer, SendAnswer } from '../schemas/send.ts';
import { SEND_BODY, SendQuery } from '../schemas/send-forms.ts';
import { answerOne, refuse } from '../send-answers.ts';

export interface SendDependencies {
  readonly outbox: Outbox;
  readonly compose: Compose;
  /** The largest message that any mailbox may send. */
  readonly messageBytesMax: number;
}

/** Base64 in JSON is at most as large as in a composed message; text may be larger where JSON escapes it. */
const BODY_PER_MESSAGE_BYTE = 1.5;
const BODY_BYTES_EXTRA = 1024 ** 2;

export function sendRoute(app: FastifyInstance, { outbox, compose, messageBytesMax }: SendDependencies): void {
  const bodyLimit = bodyBytesMax(messageBytesMax);
  acceptBodies(app, bodyLimit);
  const options = { links, attachValidation: true, bodyLimit, config: { scope: 'send' } as const };
  app.post('/send', { ...options, schema, validatorCompiler: compileJson }, async (request, reply) => {
    const received = await receiveMessage(request, bodyLimit);
    const { draft, body, shapeErrors } = received;
    const { client } = request;
    if (shapeErrors.length > 0)
      throw new RequestError('invalid-message', { errors: allErrors(received, (one) => outbox.check(one, client)) });
    if (isDryRun(request)) return answerDryRun(request, reply, outbox.check(draft, client), compose);
    return answerOne(request, reply, await outbox.submit(draft, client, readIdempotency(request, body)));
  });
}

function isDryRun({ query }: FastifyRequest): boolean {
  return (query as SendQuery).dryRun === 'true';
}

const schema = {
  operationId: 'sendMessage',
  tags: ['Messages'],
  summary: 'Send a message',
  description:
    'Puts a message into the queue of its mailbox. 202 means that the message is queued. It is tried until Exchange ' +
    'accepts it or rejects it for good, or until it expires; `GET /messages/{id}` shows which.\n\n' +
    'With an `Idempotency-Key`, the same request sent again within 24 hours gets the first answer again, and no second ' +
    'message is queued. With `?dryRun=true` everything is checked and nothing is queued; add `Accept: message/rfc822` to ' +
    'get the message as Exchange would.\n\n' +
    'The body is JSON, a form with files, or a raw MIME message as `message/rfc822`. A raw message is sent unchanged, except ' +
    'that Bcc is removed, and Date, Message-ID and From are added where they are missing.',
  headers: IDEMPOTENCY_HEADERS,
  querystring: SendQuery,
  body: SEND_BODY,
  response: {
    200: withMediaType(
      'A dry run: the message would be queued.',
      { schema: DryRunAnswer, example: DRY_RUN_EXAMPLE },
      RFC822,
      'The composed message.',
    ),
    202: idempotentAnswer('The message is queued.', SendAnswer, SEND_ANSWER_EXAMPLE, {
      Location: 'The URL of the message: `/messages/{id}`.',
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

/** OpenAPI's way to say what the id in the answer is for. */
const links = { 202: { message: { operationId: 'getMessage', parameters: { id: '$response.body#/id' } } } };

/** What the largest message needs as JSON. */
export function bodyBytesMax(messageBytesMax: number): number {
  return Math.ceil(messageBytesMax * BODY_PER_MESSAGE_BYTE) + BODY_BYTES_EXTRA;
}

async function answerDryRun(
  request: FastifyRequest,
  reply: FastifyReply,
  checked: Checked,
  compose: Compose,
): Promise<FastifyReply> {
  if (checked.kind !== 'ready') return refuse(request, reply, checked);
  const { message, content } = checked.submission;
  const bytes = await compose(message, content);
  if (request.headers.accept?.includes(RFC822)) return reply.type(RFC822).send(bytes);
  return reply.send(dryRunView(message, bytes.length));
}

function dryRunView(message: Message, sizeBytes: number): Static<typeof DryRunAnswer> {
  const { mailbox, from, sendAt, expiresAt } = message;
  return {
    dryRun: true,
    mailbox,
    envelope: { from: from.address, to: [...recipientsOf(message)] },
    sizeBytes,
    ...(sendAt && { sendAt: sendAt.toISOString() }),
    expiresAt: expiresAt.toISOString(),
  };
}
