/**
 * What every answer carries: above all the X-Request-Id, by which a request is found again in the log. It is the
 * caller's own when that is sane, so that one id can follow a request through several services, else a new one.
 */
import { randomUUID } from 'node:crypto';
import type { IncomingHttpHeaders } from 'node:http';
import type { FastifyInstance } from 'fastify';
import { sendProblem } from './problems.ts';

/** What may stand in a log line and a header without a second thought. */
const SANE = /^[\w.-]{1,64}$/;

export function makeRequestId({ headers }: { readonly headers: IncomingHttpHeaders }): string {
  const given = headers['x-request-id'];
  return typeof given === 'string' && SANE.test(given) ? given : randomUUID();
}

/**
 * Sets the headers of every answer. Where Node would answer by itself and bare, it is done here: an unknown Expect is
 * ignored (RFC 9110 10.1.1 allows it), HTTP/1.1 without a Host is refused (RFC 9112 3.2).
 */
export function setHeaders(app: FastifyInstance): void {
  app.server.on('checkExpectation', (request, response) => app.server.emit('request', request, response));
  app.addHook('onRequest', async (request, reply) => {
    reply.headers({ 'x-request-id': request.id, 'x-content-type-options': 'nosniff', 'cache-control': 'no-store' });
    const { headers, httpVersion } = request.raw;
    if (httpVersion !== '1.1' || headers.host !== undefined) return undefined;
    return sendProblem(request, reply, 'malformed-request', { detail: 'The Host header is missing.' });
  });
}
