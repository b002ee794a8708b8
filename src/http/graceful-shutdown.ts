/**
 * The end of the app: requests under way are answered, new ones on old connections are sent elsewhere, and a client
 * that does not finish in time holds nobody up.
 */
import type { FastifyInstance } from 'fastify';
import { sendProblem } from './problems.ts';

export function closeGracefully(app: FastifyInstance, timeoutMs: number): void {
  let closing = false;
  app.addHook('preClose', async () => {
    closing = true;
    setTimeout(() => app.server.closeAllConnections(), timeoutMs).unref();
  });
  app.addHook('onRequest', async (request, reply) => (closing ? sendProblem(request, reply, 'stopping') : undefined));
}
