/** The answers of the routes that queue messages. */
import type { FastifyReply, FastifyRequest } from 'fastify';
import { newState } from '../core/message/message.ts';
import type { Refusal } from '../core/submit/submission.ts';
import type { SubmitOutcome } from '../core/submit/outbox.ts';
import { REPLAYED } from './idempotency.ts';
import { makeProblem, type ProblemCode, type ProblemDetails, sendProblem } from './problems.ts';
import type { BatchResult } from './schemas/batch.ts';
import type { SendAnswer } from './schemas/send.ts';

type Accepted = Extract<SubmitOutcome, { kind: 'accepted' }>;
type Refused = Exclude<SubmitOutcome, Accepted> | Refusal;

export function answerOne(request: FastifyRequest, reply: FastifyReply, outcome: SubmitOutcome): FastifyReply {
  if (outcome.kind !== 'accepted') return refuse(request, reply, outcome);
  if (outcome.replayed) reply.header(REPLAYED, 'true');
  return reply.code(202).header('location', `/messages/${outcome.message.id}`).send(acceptedView(outcome));
}

/** What keeps out the whole batch is answered as for one message; otherwise each message has a result of its own. */
export function answerBatch(
  request: FastifyRequest,
  reply: FastifyReply,
  outcomes: readonly SubmitOutcome[],
): FastifyReply {
  const common = outcomes.find(({ kind }) => OF_THE_BATCH.includes(kind));
  if (common) return answerOne(request, reply, common);
  if (outcomes.some((outcome) => outcome.kind === 'accepted' && outcome.replayed)) reply.header(REPLAYED, 'true');
  return reply.code(202).send({ results: outcomes.map((outcome, index) => batchResult(request, outcome, index)) });
}

const OF_THE_BATCH: readonly SubmitOutcome['kind'][] = ['unavailable', 'unanswered', 'full', 'key-reused'];

function batchResult(request: FastifyRequest, outcome: SubmitOutcome, index: number): BatchResult {
  if (outcome.kind === 'accepted') return { index, ...acceptedView(outcome) };
  const [code, details] = problemOf(outcome);
  const { requestId: _, errors, ...error } = makeProblem(code, request.id, details);
  return { index, error: { ...error, ...(errors && { errors: [...errors] }) } };
}

function acceptedView({ message, estimatedAt }: Accepted): SendAnswer {
  const { id, mailbox, messageId, acceptedAt, sendAt } = message;
  return {
    id,
    status: newState(message).status,
    mailbox,
    messageId,
    acceptedAt: acceptedAt.toISOString(),
    ...(sendAt && { sendAt: sendAt.toISOString() }),
    estimatedAt: estimatedAt.toISOString(),
  };
}

export function refuse(request: FastifyRequest, reply: FastifyReply, outcome: Refused): FastifyReply {
  if (outcome.kind === 'unavailable') request.log.error({ reason: String(outcome.cause) }, 'the queue is unavailable');
  if (outcome.kind === 'unanswered') request.log.error({ reason: String(outcome.cause) }, 'the queue did not answer');
  const [code, details] = problemOf(outcome);
  return sendProblem(request, reply, code, details);
}

function problemOf(outcome: Refused): readonly [ProblemCode, ProblemDetails] {
  switch (outcome.kind) {
    case 'invalid':
      return ['invalid-message', { errors: outcome.errors }];
    case 'sender-not-allowed':
      return ['sender-not-allowed', { errors: outcome.errors }];
    case 'too-large':
      return ['message-too-large', tooLarge(outcome)];
    case 'key-reused':
      return ['idempotency-key-reused', { detail: 'Use a new key for a different request.' }];
    case 'full':
      return [outcome.of === 'client' ? 'client-queue-full' : 'queue-full', { detail: `${outcome.detail}.` }];
    case 'unavailable':
      return ['queue-unavailable', { detail: 'Nothing was queued. Send the same request again later.' }];
    case 'unanswered':
      return ['queue-unanswered', { detail: 'The message may or may not be queued.' }];
  }
}

function tooLarge({ mailbox, sizeBytes, sizeBytesMax }: Extract<Refused, { kind: 'too-large' }>): ProblemDetails {
  const detail = `The composed message would have about ${sizeBytes} bytes. The limit of ${mailbox} is ${sizeBytesMax} bytes.`;
  return { detail, sizeBytes, sizeBytesMax };
}
