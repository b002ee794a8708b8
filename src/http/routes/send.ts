/** `POST /send`: takes a message into the queue, or says everything that is wrong with it. */
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { Compose } from '../../core/attempt.ts';
import type { Draft } from '../../core/draft.ts';
import type { Directory, Mailbox } from '../../core/mailbox.ts';
import { recipientsOf } from '../../core/message.ts';
import type { Prepare, Submission } from '../../core/submission.ts';
import type { Submit, SubmitAll } from '../../core/submit.ts';
import { type FindErrors, openFindErrors } from '../all-errors.ts';
import { readIdempotency } from '../idempotency.ts';
import { RequestError, sendProblem } from '../problems.ts';
import { DRY_RUN_EXAMPLE, SEND_ANSWER_EXAMPLE } from '../schemas/examples.ts';
import { IDEMPOTENCY_HEADERS, idempotentAnswer, problemAnswers, withMediaType } from '../schemas/answers.ts';
import { DryRunAnswer, SendAnswer, SendQuery, SendRequest } from '../schemas/send.ts';
import { answerOne, refuse } from '../send-answers.ts';

export interface SendDependencies {
  readonly submit: Submit;
  readonly submitAll: SubmitAll;
  readonly prepare: Prepare;
  readonly compose: Compose;
  readonly directory: () => Directory;
}

/** Base64 in JSON takes no more room than in a composed mail; text may take more where JSON escapes it. */
const BODY_PER_MESSAGE_BYTE = 1.5;
const BODY_BYTES_BESIDES = 1024 ** 2;
const RFC822 = 'message/rfc822';

export function sendRoute(app: FastifyInstance, { submit, prepare, compose, directory }: SendDependencies): void {
  const bodyLimit = bodyBytesMax(directory().mailboxes);
  const options = { schema, links, attachValidation: true, bodyLimit, config: { scope: 'send' } as const };
  app.post('/send', options, async (request, reply) => {
    if (request.validationError) return refuseShape(request, reply, openFindErrors(directory()));
    const draft = request.body as Draft;
    if ((request.query as SendQuery).dryRun !== 'true') {
      return answerOne(request, reply, await submit(draft, request.client, readIdempotency(request, draft)));
    }
    const prepared = prepare(draft, request.client);
    return prepared.kind === 'prepared'
      ? answerDryRun(request, reply, prepared.submission, compose)
      : refuse(request, reply, prepared);
  });
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
    'Exchange would get it.',
  headers: IDEMPOTENCY_HEADERS,
  querystring: SendQuery,
  body: SendRequest,
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
    ...problemAnswers(
      'malformed-request',
      'invalid-json',
      'unauthorized',
      'not-local',
      'forbidden',
      'sender-not-allowed',
      'request-timeout',
      'body-too-large',
      'message-too-large',
      'unsupported-media-type',
      'invalid-message',
      'idempotency-key-reused',
      'too-many-requests',
      'client-queue-full',
      'internal',
      'queue-unavailable',
      'queue-unanswered',
      'queue-full',
      'stopping',
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
  findErrors: FindErrors,
): Promise<FastifyReply> {
  const { validationError: error } = request;
  if (!(error instanceof RequestError)) throw error;
  const errors = await findErrors(request.body, error.details.errors ?? []);
  return sendProblem(request, reply, 'invalid-message', { errors });
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
