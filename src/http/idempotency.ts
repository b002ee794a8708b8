/**
 * The Idempotency-Key header: a client that does not know whether its request arrived sends it again with the same key
 * and gets the first answer. Source: draft-ietf-httpapi-idempotency-key-header-07.
 */
import { createHash } from 'node:crypto';
import type { FastifyRequest } from 'fastify';
import type { Idempotency } from '../core/message/idempotency.ts';
import { RequestError } from './problems.ts';

export const IDEMPOTENCY_KEY = 'idempotency-key';
export const REPLAYED = 'idempotent-replayed';

/** A structured field string (RFC 8941 3.3.3), or the bare key that most programs send. */
const QUOTED = /^"((?:[\x20\x21\x23-\x5b\x5d-\x7e]|\\["\\]){1,255})"$/;
const BARE = /^[\x21-\x7e]{1,255}$/;

/** Undefined without the header. @throws RequestError when the header is invalid. */
export function readIdempotency(request: FastifyRequest, body: unknown): Idempotency | undefined {
  const given = request.headers[IDEMPOTENCY_KEY];
  if (given === undefined) return undefined;
  const text = String(given).trim();
  const quoted = QUOTED.exec(text)?.[1];
  if (quoted === undefined && (!BARE.test(text) || text.includes('"'))) {
    const message = 'Must have 1 to 255 visible ASCII characters, such as a UUID, with or without double quotes.';
    throw new RequestError('invalid-message', { errors: [{ field: 'Idempotency-Key', message }] });
  }
  return { key: quoted?.replace(/\\(["\\])/g, '$1') ?? text, digest: digestOf(request, body) };
}

/** The same for the same request: its URL and what its body says. */
function digestOf({ url }: FastifyRequest, body: unknown): string {
  const hash = createHash('sha256').update(`${url}\n`);
  hash.update(Buffer.isBuffer(body) ? body : JSON.stringify(body));
  return hash.digest('base64url');
}
