/**
 * What every request passes and every answer carries: the X-Request-Id, a line in the log, a 405 for another method, and
 * a 503 while the app closes.
 */
import { randomUUID } from 'node:crypto';
import type { IncomingHttpHeaders } from 'node:http';
import type { FastifyInstance, FastifyRequest, HTTPMethods, RouteOptions } from 'fastify';
import { sendProblem } from './problems.ts';

/** Safe in a log line and in a header. */
const SAFE_ID = /^[\w.-]{1,64}$/;
/** A URL without a route is cut to this in the log. */
const PATH_LENGTH_MAX = 200;

/** The caller's own id, so that one id can follow a request through several services; a new one when it is not safe. */
export function makeRequestId({ headers }: { readonly headers: IncomingHttpHeaders }): string {
  const given = headers['x-request-id'];
  return typeof given === 'string' && SAFE_ID.test(given) ? given : randomUUID();
}

/**
 * Sets the headers of every answer. Node would answer two kinds of requests by itself, without them: one with an unknown
 * Expect is served (RFC 9110 10.1.1 allows it), one of HTTP/1.1 without a Host is refused (RFC 9112 3.2).
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

/** Logs one line for each answer, under the request's id: no addresses, keys or content. */
export function logAnswers(app: FastifyInstance): void {
  app.addHook('onResponse', async (request, reply) => {
    const { statusCode, elapsedTime } = reply;
    const fields = { method: request.method, route: routeOf(request), statusCode, durationMs: Math.round(elapsedTime) };
    request.log[levelOf(statusCode)](fields, 'answered');
  });
}

/** The accepted messages have lines of their own. */
function levelOf(statusCode: number): 'debug' | 'info' | 'warn' {
  if (statusCode >= 500) return 'warn';
  return statusCode >= 400 ? 'info' : 'debug';
}

function routeOf({ routeOptions, url }: FastifyRequest): string {
  return routeOptions.url ?? url.split('?', 1)[0]?.slice(0, PATH_LENGTH_MAX) ?? '';
}

/**
 * When the app closes, requests in progress are answered and new ones on open connections are refused. A client that does
 * not finish in time is cut off.
 */
export function closeGracefully(app: FastifyInstance, timeoutMs: number): void {
  let closing = false;
  app.addHook('preClose', async () => {
    closing = true;
    setTimeout(() => app.server.closeAllConnections(), timeoutMs).unref();
  });
  app.addHook('onRequest', async (request, reply) => (closing ? sendProblem(request, reply, 'stopping') : undefined));
}

/**
 * Answers 405 for a URL that exists with other methods, and names them in `Allow` (RFC 9110 15.5.6). To be called before
 * the routes are added; the function it returns, after them.
 */
export function refuseOtherMethods(app: FastifyInstance): () => void {
  const urls = new Set<string>();
  app.addHook('onRoute', ({ url }) => {
    urls.add(url);
  });
  return () => {
    for (const url of [...urls]) {
      // Not every way to add a route (a prefix with and without its slash) reports all methods to the hook.
      const has = (method: string) => app.hasRoute({ url, method: method as HTTPMethods });
      const allowed = app.supportedMethods.filter(has);
      const refused = app.supportedMethods.filter((method) => !has(method)) as HTTPMethods[];
      app.route(refusal(url, allowed, refused));
    }
  };
}

function refusal(url: string, allowed: readonly string[], method: HTTPMethods[]): RouteOptions {
  return {
    url,
    method,
    schema: { hide: true },
    // In onRequest, before a body would be read and refused.
    onRequest: async (request, reply) => {
      reply.header('allow', allowed.join(', '));
      return sendProblem(request, reply, 'method-not-allowed', { detail: `${url} takes ${allowed.join(', ')}.` });
    },
    handler: async () => undefined,
  };
}
