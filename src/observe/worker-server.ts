/** What a worker serves over HTTP at METRICS_PORT: its metrics, and whether it lives and is ready. */
import Fastify, { type FastifyInstance } from 'fastify';
import type { Metrics } from './metrics.ts';

export interface WorkerServer {
  readonly url: string;
  close(): Promise<void>;
}

export interface WorkerServerOptions {
  readonly host: string;
  readonly port: number;
  readonly metrics: Metrics;
  /** Whether the worker can take messages from the queues: it has started, and Redis answers. */
  readonly isReady: () => Promise<boolean>;
}

/** Rejects when the port is taken. */
export async function openWorkerServer(options: WorkerServerOptions): Promise<WorkerServer> {
  const app = buildWorkerApp(options);
  const url = await app.listen({ host: options.host, port: options.port });
  return { url, close: () => app.close() };
}

function buildWorkerApp({ metrics, isReady }: WorkerServerOptions): FastifyInstance {
  const app = Fastify({ forceCloseConnections: true });
  app.get('/metrics', async (_request, reply) => reply.type(metrics.contentType).send(await metrics.text()));
  app.get('/health/live', async () => ({ status: 'ok' }));
  app.get('/health/ready', async (_request, reply) =>
    (await isReady()) ? { status: 'ok' } : reply.code(503).send({ status: 'not ready' }),
  );
  return app;
}
