/**
 * The requests that a key may make in a minute, told in the headers of every answer to it.
 * Source: draft-ietf-httpapi-ratelimit-headers-11.
 */
import type { FastifyReply, FastifyRequest } from 'fastify';
import { sendProblem } from './problems.ts';

/** Counts one more request of this key, in all APIs together. Rejects when Redis can't be asked. */
export type CountRequest = (client: string) => Promise<{ readonly count: number; readonly leftMs: number }>;

export interface LimitedKey {
  readonly name: string;
  /** Undefined: as many as it likes. */
  readonly requestsPerMinute?: number;
}

const WINDOW_SECONDS = 60;

/** Answers with a problem when the key has made too many. Without Redis it lets through: the routes tell of that. */
export async function limitRate(
  request: FastifyRequest,
  reply: FastifyReply,
  { name, requestsPerMinute }: LimitedKey,
  countRequest: CountRequest,
): Promise<FastifyReply | undefined> {
  if (requestsPerMinute === undefined) return undefined;
  const used = await countRequest(name).catch(() => undefined);
  if (!used) return undefined;
  const seconds = Math.max(1, Math.ceil(used.leftMs / 1_000));
  const left = Math.max(0, requestsPerMinute - used.count);
  reply.header('ratelimit-policy', `"minute";q=${requestsPerMinute};w=${WINDOW_SECONDS}`);
  reply.header('ratelimit', `"minute";r=${left};t=${seconds}`);
  if (used.count <= requestsPerMinute) return undefined;
  const detail = `The key ${name} may make ${requestsPerMinute} requests a minute; there is room again in ${seconds} s.`;
  return sendProblem(request, reply, 'too-many-requests', { detail }).header('retry-after', seconds);
}
