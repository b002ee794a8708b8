/** `POST /send`: takes a message into the queue, or says everything that is wrong with it. */
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { Draft } from '../../core/draft.ts';
import type { Directory, Mailbox } from '../../core/mailbox.ts';
import type { Message } from '../../core/message.ts';
import type { Submit, SubmitOutcome } from '../../core/submit.ts';
import { type FindErrors, openFindErrors } from '../all-errors.ts';
import { RequestError, sendProblem } from '../problems.ts';
import { SEND_ANSWER_EXAMPLE } from '../schemas/examples.ts';
import { jsonAnswer, problemAnswers } from '../schemas/answers.ts';
import { SendAnswer, SendQuery, SendRequest } from '../schemas/send.ts';

export interface SendDependencies {
  readonly submit: Submit;
  readonly directory: () => Directory;
}

/** Base64 in JSON takes no more room than in a composed mail; text may take more where JSON escapes it. */
const BODY_PER_MESSAGE_BYTE = 1.5;
const BODY_BYTES_BESIDES = 1024 ** 2;

export function sendRoute(app: FastifyInstance, { submit, directory }: SendDependencies): void {
  const bodyLimit = bodyBytesMax(directory().mailboxes);
  const options = { schema, links, attachValidation: true, bodyLimit, config: { scope: 'send' } as const };
  app.post('/send', options, async (request, reply) => {
    if (request.validationError) return refuseShape(request, reply, openFindErrors(directory()));
    const outcome = await submit(request.body as Draft, request.client);
    return answer(request, reply, outcome);
  });
}

const schema = {
  operationId: 'sendMessage',
  tags: ['Messages'],
  summary: 'Send a mail',
  description:
    'Puts a mail into the queue of its mailbox. 202 means that the queue has it, and it will be tried until Exchange ' +
    'takes it or refuses it for good; `GET /messages/{id}` tells which.',
  querystring: SendQuery,
  body: SendRequest,
  response: {
    202: jsonAnswer('The mail is queued.', SendAnswer, SEND_ANSWER_EXAMPLE, {
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
      'internal',
      'queue-unavailable',
      'stopping',
    ),
  },
};

/** OpenAPI's way to say what the answer's id is for. */
const links = { 202: { message: { operationId: 'getMessage', parameters: { id: '$response.body#/id' } } } };

/** What the largest message of any mailbox needs as JSON. */
function bodyBytesMax(mailboxes: readonly Mailbox[]): number {
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

function answer(request: FastifyRequest, reply: FastifyReply, outcome: SubmitOutcome): FastifyReply {
  switch (outcome.kind) {
    case 'accepted':
      return accept(reply, outcome.message, outcome.estimatedAt);
    case 'invalid':
      return sendProblem(request, reply, 'invalid-message', { errors: outcome.errors });
    case 'sender-not-allowed':
      return sendProblem(request, reply, 'sender-not-allowed', { errors: outcome.errors });
    case 'too-large':
      return tooLarge(request, reply, outcome);
    case 'unavailable':
      request.log.error({ err: outcome.cause }, 'the queue is unavailable');
      return sendProblem(request, reply, 'queue-unavailable', {
        detail: 'Nothing was queued. Send the same request again later.',
      });
  }
}

function accept(reply: FastifyReply, message: Message, estimatedAt: Date): FastifyReply {
  const { id, mailbox, messageId, acceptedAt } = message;
  const body: SendAnswer = {
    id,
    status: 'queued',
    mailbox,
    messageId,
    acceptedAt: acceptedAt.toISOString(),
    estimatedAt: estimatedAt.toISOString(),
  };
  return reply.code(202).header('location', `/messages/${id}`).send(body);
}

function tooLarge(
  request: FastifyRequest,
  reply: FastifyReply,
  { mailbox, sizeBytes, sizeBytesMax }: Extract<SubmitOutcome, { kind: 'too-large' }>,
): FastifyReply {
  const detail = `The composed message would have about ${sizeBytes} bytes; ${mailbox} may send at most ${sizeBytesMax}.`;
  return sendProblem(request, reply, 'message-too-large', { detail, sizeBytes, sizeBytesMax });
}
