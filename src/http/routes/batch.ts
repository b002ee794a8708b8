/** `POST /send/batch`: up to 100 messages in one request, each checked on its own. */
import type { FastifyInstance, FastifySchemaCompiler } from 'fastify';
import { type TSchema, Type } from 'typebox';
import { Compile } from 'typebox/compile';
import type { SubmitOutcome } from '../../core/submit/outbox.ts';
import type { Checked, Draft, Refusal } from '../../core/submit/submission.ts';
import { allErrors, receiveWritten } from '../bodies.ts';
import { readIdempotency } from '../idempotency.ts';
import { RequestError } from '../problems.ts';
import { IDEMPOTENCY_HEADERS, idempotentAnswer, guardedAnswers } from '../schemas/answers.ts';
import { BATCH_ANSWER_EXAMPLE } from '../schemas/examples.ts';
import { BATCH_MAX, BatchAnswer, BatchRequest, BatchShape } from '../schemas/batch.ts';
import { SendRequest } from '../schemas/send.ts';
import { answerBatch } from '../send-answers.ts';
import { compileShape, isObject, type SchemaTypes, shapeErrors } from '../schema-check.ts';
import { bodyBytesMax, type SendDependencies } from './send.ts';

export function batchRoute(instance: FastifyInstance, { outbox, messageBytesMax }: SendDependencies): void {
  const app = instance.withTypeProvider<SchemaTypes>();
  const bodyLimit = bodyBytesMax(messageBytesMax);
  const options = { schema, validatorCompiler: compileBatch, bodyLimit, config: { scope: 'send' } as const };
  app.post('/send/batch', options, async (request, reply) => {
    const { client, body } = request;
    const { messages } = body;
    checkLength(messages);
    const idempotency = readIdempotency(request, body);
    const read = messages.map((message) => readMessage(message, (draft) => outbox.check(draft, client)));
    const drafts = read.flatMap((one) => (one.kind === 'invalid' ? [] : [one]));
    const outcomes = (await outbox.submitBatch(drafts, client, idempotency)).values();
    const all = read.map((one) => (one.kind === 'invalid' ? one : (outcomes.next().value as SubmitOutcome)));
    return answerBatch(request, reply, all);
  });
}

const FIT = Compile(SendRequest);

/** The draft, or all that is wrong when its shape is. */
function readMessage(message: unknown, check: (draft: Draft) => Checked): Draft | Invalid {
  const shape = FIT.Check(message) ? [] : shapeErrors(message, SendRequest);
  if (!isObject(message)) return { kind: 'invalid', errors: shape };
  const received = receiveWritten(message, shape);
  return shape.length === 0 ? received.draft : { kind: 'invalid', errors: allErrors(received, check) };
}

type Invalid = Extract<Refusal, { kind: 'invalid' }>;

/** The request as it is documented, except that an invalid message does not refuse the others. */
const compileBatch: FastifySchemaCompiler<TSchema> = (route) =>
  compileShape(route.schema === BatchRequest ? { ...route, schema: BatchShape } : route);

/** No parameters: with `?dryRun=true` ignored, the messages would be sent. */
const NoQuery = Type.Object({}, { additionalProperties: false });

function checkLength({ length }: readonly unknown[]): void {
  if (length >= 1 && length <= BATCH_MAX) return;
  const message = `The batch has ${length} messages. It must have 1 to ${BATCH_MAX}.`;
  throw new RequestError('invalid-message', { errors: [{ field: 'messages', message }] });
}

const schema = {
  operationId: 'sendBatch',
  tags: ['Messages'],
  summary: 'Send many messages',
  description:
    `Up to ${BATCH_MAX} messages in one request. Each is checked on its own: an invalid one gets an \`error\` instead of an ` +
    '`id`. The others are queued, all of them or, with 503, none. An `Idempotency-Key` covers the whole request.',
  headers: IDEMPOTENCY_HEADERS,
  querystring: NoQuery,
  body: BatchRequest,
  response: {
    202: idempotentAnswer(
      'The result of each message, in the order of the request.',
      BatchAnswer,
      BATCH_ANSWER_EXAMPLE,
    ),
    ...guardedAnswers(
      'invalid-json',
      'request-timeout',
      'body-too-large',
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
