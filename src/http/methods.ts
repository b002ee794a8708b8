/** 405 for a URL that exists with other methods, naming them in `Allow` (RFC 9110 15.5.6). */
import type { FastifyInstance, HTTPMethods, RouteOptions } from 'fastify';
import { sendProblem } from './problems.ts';

/** To be called before the routes are added; it answers for those that are added until the app is ready. */
export function refuseOtherMethods(app: FastifyInstance): () => void {
  const methodsOf = new Map<string, Set<string>>();
  app.addHook('onRoute', ({ url, method }) => {
    const methods = methodsOf.get(url) ?? new Set();
    methodsOf.set(url, methods);
    for (const name of [method].flat()) methods.add(name);
  });
  return () => {
    for (const [url, methods] of [...methodsOf]) app.route(refusal(url, [...methods], app.supportedMethods));
  };
}

function refusal(url: string, allowed: readonly string[], supported: readonly string[]): RouteOptions {
  const method = supported.filter((name) => !allowed.includes(name)) as HTTPMethods[];
  return {
    url,
    method,
    schema: { hide: true },
    // In onRequest, before a body would be read and complained of.
    onRequest: async (request, reply) => {
      reply.header('allow', allowed.join(', '));
      return sendProblem(request, reply, 'method-not-allowed', { detail: `${url} takes ${allowed.join(', ')}.` });
    },
    handler: async () => undefined,
  };
}
