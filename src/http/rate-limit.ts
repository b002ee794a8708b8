/**
 * The limit of requests per minute of an API key, shown in the headers of every answer to it.
 * Source: draft-ietf-httpapi-ratelimit-headers-11.
 */
import type { FastifyReply, FastifyRequest } from 'fastify';
import { type CountRequest, countAgainstLimit, type LimitedKey } from '../core/submit/request-rate.ts';
import { sendProblem } from './problems.ts';

const WINDOW_SECONDS = 60;

/** Answers with a problem when the limit is reached. */
export async function limitRate(
  request: FastifyRequest,
  reply: FastifyReply,
  key: LimitedKey,
  countRequest: CountRequest,
): Promise<FastifyReply | undefined> {
  const rate = await countAgainstLimit(key, countRequest);
  if (!rate) return undefined;
  const { limit, left, seconds, excess: detail } = rate;
  reply.header('ratelimit-policy', `"minute";q=${limit};w=${WINDOW_SECONDS}`);
  reply.header('ratelimit', `"minute";r=${left};t=${seconds}`);
  if (detail === undefined) return undefined;
  reply.header('retry-after', seconds);
  return sendProblem(request, reply, 'too-many-requests', { detail });
}
