/** `POST /send/batch`: up to 100 messages in one request, each judged alone. */
import type { FastifyInstance, FastifySchemaCompiler } from 'fastify';
import { type TSchema, Type } from 'typebox';
import { Compile } from 'typebox/compile';
import type { Draft } from '../../core/message/draft.ts';
import type { SubmitOutcome } from '../../core/submit/submit.ts';
import { openFindErrors } from '../validate.ts';
import { readIdempotency } from '../idempotency.ts';
import { RequestError } from '../problems.ts';
import { IDEMPOTENCY_HEADERS, idempotentAnswer, guardedAnswers } from '../schemas/answers.ts';
import { BATCH_ANSWER_EXAMPLE } from '../schemas/examples.ts';
import { BATCH_MAX, BatchAnswer, BatchRequest, BatchShape, SendRequest } from '../schemas/send.ts';
import { answerBatch } from '../send-answers.ts';
import { compileShape, shapeErrors } from '../schema-check.ts';
import { bodyBytesMax, type SendDependencies } from './send.ts';

export function batchRoute(app: FastifyInstance, { submitAll, directory }: SendDependencies): void {
  const bodyLimit = bodyBytesMax(directory().mailboxes);
  const fit = Compile(SendRequest);
  const options = { schema, validatorCompiler: compileBatch, bodyLimit, config: { scope: 'send' } as const };
  app.post('/send/batch', options, async (request, reply) => {
    const { messages } = request.body as BatchShape;
    checkLength(messages);
    const idempotency = readIdempotency(request, request.body);
    const findErrors = openFindErrors(directory());
    const misshapen = new Map<number, SubmitOutcome>();
    for (const [index, message] of messages.entries()) {
      if (fit.Check(message)) continue;
      misshapen.set(index, { kind: 'invalid', errors: await findErrors(message, shapeErrors(message, SendRequest)) });
    }
    const drafts = messages.filter((_, index) => !misshapen.has(index)) as Draft[];
    const outcomes = (await submitAll(drafts, request.client, idempotency)).values();
    const all = messages.map((_, index) => misshapen.get(index) ?? (outcomes.next().value as SubmitOutcome));
    return answerBatch(request, reply, all);
  });
}

/** The request as it is documented, but for the messages, which don't refuse each other. */
const compileBatch: FastifySchemaCompiler<TSchema> = (route) =>
  compileShape(route.schema === BatchRequest ? { ...route, schema: BatchShape } : route);

/** There is none, and who writes `?dryRun=true` here must not have the mails sent. */
const NoQuery = Type.Object({}, { additionalProperties: false });

function checkLength({ length }: readonly unknown[]): void {
  if (length >= 1 && length <= BATCH_MAX) return;
  const message = `${length} messages; give 1 to ${BATCH_MAX}.`;
  throw new RequestError('invalid-message', { errors: [{ field: 'messages', message }] });
}

const schema = {
  operationId: 'sendBatch',
  tags: ['Messages'],
  summary: 'Send many mails',
  description:
    `Up to ${BATCH_MAX} mails in one request. Each is judged alone: one that is wrong has its \`error\` in the place of an ` +
    '`id`, and the others are queued, all of them or, with 503, none. An `Idempotency-Key` stands for the whole request.',
  headers: IDEMPOTENCY_HEADERS,
  querystring: NoQuery,
  body: BatchRequest,
  response: {
    202: idempotentAnswer('What became of each, in the order of the request.', BatchAnswer, BATCH_ANSWER_EXAMPLE),
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
