/** One log line for each answer: without addresses, keys and content, under the request's id. */
import type { FastifyInstance, FastifyRequest } from 'fastify';

export function logAnswers(app: FastifyInstance): void {
  app.addHook('onResponse', async (request, reply) => {
    const { statusCode, elapsedTime } = reply;
    const fields = { method: request.method, route: routeOf(request), statusCode, durationMs: Math.round(elapsedTime) };
    request.log[levelOf(statusCode)](fields, 'answered');
  });
}

/** The good ones are counted by the mails that they took; the log tells of those that were refused. */
function levelOf(statusCode: number): 'debug' | 'info' | 'warn' {
  if (statusCode >= 500) return 'warn';
  return statusCode >= 400 ? 'info' : 'debug';
}

/** The route's pattern, or the path that has none, cut where its sender made it absurdly long. */
function routeOf({ routeOptions, url }: FastifyRequest): string {
  return routeOptions.url ?? url.split('?', 1)[0]?.slice(0, 200) ?? '';
}
