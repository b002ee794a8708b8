/**
 * Who may use the API. A key is compared by its SHA-256 in constant time with all keys, so that neither a key nor its
 * place in the list can be measured. Without any key everything is allowed, but only from this machine.
 */
import { createHash, timingSafeEqual } from 'node:crypto';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { localProblem } from './loopback.ts';
import { sendProblem } from './problems.ts';

export interface ApiKey {
  /** Names the client in logs and in its messages. */
  readonly name: string;
  /** The SHA-256 of the secret. */
  readonly hash: Buffer;
}

declare module 'fastify' {
  interface FastifyRequest {
    /** The name of the key that the request came with. */
    client: string;
  }
}

/** The client's name where no key is configured. */
const ANYONE = 'anonymous';
/** RFC 6750 2.1: the scheme's name in any case, then the token. */
const BEARER = /^Bearer +([\x21-\x7e]{1,1024}) *$/i;

/** From here on, every route of this scope needs a key. */
export function requireKey(app: FastifyInstance, keys: readonly ApiKey[]): void {
  app.decorateRequest('client', ANYONE);
  app.addHook('onRequest', async (request, reply) =>
    keys.length > 0 ? checkKey(request, reply, keys) : checkLocal(request, reply),
  );
}

async function checkKey(
  request: FastifyRequest,
  reply: FastifyReply,
  keys: readonly ApiKey[],
): Promise<FastifyReply | undefined> {
  const key = findKey(keys, request.headers.authorization);
  if (!key)
    return sendProblem(request, reply, 'unauthorized', {
      detail: 'Send the header Authorization: Bearer KEY, with a key from API_KEYS.',
    });
  request.client = key.name;
  return undefined;
}

async function checkLocal(request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply | undefined> {
  const detail = localProblem(request.raw);
  return detail === undefined ? undefined : sendProblem(request, reply, 'not-local', { detail });
}

function findKey(keys: readonly ApiKey[], authorization = ''): ApiKey | undefined {
  const token = BEARER.exec(authorization)?.[1];
  if (token === undefined) return undefined;
  const hash = createHash('sha256').update(token).digest();
  // Not `find`: it would stop at the first match, and its time would tell the place.
  return keys.filter((key) => timingSafeEqual(key.hash, hash))[0];
}
