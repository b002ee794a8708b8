/**
 * Who may use the API: clients with a key. Guesses are limited by network. Without any key everything is allowed, but only
 * from this machine.
 */
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { ANYONE, type ApiKey, findKey, type Scope } from '../core/submit/api-key.ts';
import type { Client } from '../core/submit/client.ts';
import type { KeyGuard } from '../core/submit/key-guard.ts';
import type { CountRequest } from '../core/submit/request-rate.ts';
import { localProblem } from './loopback.ts';
import { sendProblem } from './problems.ts';
import { limitRate } from './rate-limit.ts';

declare module 'fastify' {
  interface FastifyContextConfig {
    /** The scope that a key needs for this route. */
    scope?: Scope;
  }
  interface FastifyRequest {
    /** The key that the request was sent with. */
    client: Client & { readonly scopes: readonly Scope[] };
  }
}

/** RFC 6750 2.1: the scheme's name in any case, then the token. */
const BEARER = /^Bearer +([\x21-\x7e]{1,1024}) *$/i;

/** How keys are checked. */
export interface KeyChecks {
  readonly keys: () => readonly ApiKey[];
  readonly guard: KeyGuard;
  readonly countRequest: CountRequest;
}

/** From here on, every route of this scope requires a key. */
export function requireKey(app: FastifyInstance, { keys, guard, countRequest }: KeyChecks): void {
  app.decorateRequest('client');
  app.addHook('onRequest', async (request, reply) => {
    const known = keys();
    return known.length > 0 ? checkKey(request, reply, known, { countRequest, guard }) : checkLocal(request, reply);
  });
}

async function checkKey(
  request: FastifyRequest,
  reply: FastifyReply,
  keys: readonly ApiKey[],
  { countRequest, guard }: Pick<KeyChecks, 'countRequest' | 'guard'>,
): Promise<FastifyReply | undefined> {
  const token = BEARER.exec(request.headers.authorization ?? '')?.[1];
  if (token === undefined) return sendUnauthorized(request, reply);
  const key = findKey(keys, token);
  const verdict = await guard(request.ip, key?.name);
  if (verdict.kind === 'blocked') return sendBlocked(request, reply, verdict.seconds);
  if (verdict.kind === 'wrong' && verdict.isLast) request.log.warn({ ip: request.ip }, 'too many wrong API keys');
  if (!key) return sendUnauthorized(request, reply);
  request.client = key;
  const { scope } = request.routeOptions.config;
  if (scope === undefined || key.scopes.includes(scope)) return limitRate(request, reply, key, countRequest);
  return sendProblem(request, reply, 'forbidden', { detail: `Key "${key.name}" lacks the scope "${scope}".` });
}

function sendUnauthorized(request: FastifyRequest, reply: FastifyReply): FastifyReply {
  const detail = 'Send the header Authorization: Bearer KEY with a valid key that has not expired.';
  return sendProblem(request, reply, 'unauthorized', { detail });
}

/** Does not say whether the key is right. */
function sendBlocked(request: FastifyRequest, reply: FastifyReply, seconds: number): FastifyReply {
  const detail = `Too many invalid keys from this address; try again in ${seconds} s.`;
  reply.header('retry-after', seconds);
  return sendProblem(request, reply, 'too-many-wrong-keys', { detail });
}

async function checkLocal(request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply | undefined> {
  const detail = localProblem(request.raw);
  if (detail !== undefined) return sendProblem(request, reply, 'not-local', { detail });
  request.client = ANYONE;
  return undefined;
}
