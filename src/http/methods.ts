/** 405 for a URL that exists with other methods, naming them in `Allow` (RFC 9110 15.5.6). */
import type { FastifyInstance, HTTPMethods, RouteOptions } from 'fastify';
import { sendProblem } from './problems.ts';

/** To be called before the routes are added; it answers for those that are added until the app is ready. */
export function refuseOtherMethods(app: FastifyInstance): () => void {
  const urls = new Set<string>();
  app.addHook('onRoute', ({ url }) => {
    urls.add(url);
  });
  return () => {
    for (const url of [...urls]) {
      // Not every way to add a route (a prefix with and without its slash) tells the hook of all its methods.
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
    // In onRequest, before a body would be read and complained of.
    onRequest: async (request, reply) => {
      reply.header('allow', allowed.join(', '));
      return sendProblem(request, reply, 'method-not-allowed', { detail: `${url} takes ${allowed.join(', ')}.` });
    },
    handler: async () => undefined,
  };
}
