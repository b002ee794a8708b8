/** `GET /health/live` and `/health/ready`, for what starts, stops and routes to this process. Open to everyone. */
import type { FastifyInstance } from 'fastify';
import { Type } from 'typebox';
import { sendProblem } from '../problems.ts';
import { jsonAnswer, problemAnswers } from '../schemas/answers.ts';

export interface HealthDependencies {
  /** Whether messages can be queued. Exchange is not asked: while it is away, the queue still accepts messages. */
  readonly ready: () => Promise<{ readonly ok: boolean; readonly checks: { readonly redis: string } }>;
}

const Live = Type.Object({ status: Type.String() }, { title: 'Health' });
const Ready = Type.Object(
  { status: Type.String(), checks: Type.Object({ redis: Type.String() }) },
  { title: 'Readiness' },
);
const LIVE = { status: 'ok' };
const READY = { status: 'ok', checks: { redis: 'ok' } };

export function healthRoutes(app: FastifyInstance, { ready }: HealthDependencies): void {
  app.get('/health/live', { schema: liveSchema }, async () => LIVE);
  app.get('/health/ready', { schema: readySchema }, async (request, reply) => {
    const { ok, checks } = await ready();
    if (ok) return READY;
    // The reason goes into the log only: it names hosts, and this route is open.
    request.log.warn({ checks }, 'not ready');
    return sendProblem(request, reply, 'queue-unavailable', { detail: 'Redis cannot be reached.' });
  });
}

const liveSchema = {
  operationId: 'getLiveness',
  tags: ['Health'],
  summary: 'Is the process alive?',
  description: 'Answers as long as the process runs. Restart the process when this fails.',
  security: [],
  response: {
    200: jsonAnswer('The process is alive.', Live, LIVE),
    ...problemAnswers('malformed-request', 'internal', 'stopping'),
  },
};

const readySchema = {
  operationId: 'getReadiness',
  tags: ['Health'],
  summary: 'Can messages be queued?',
  description:
    'Requires Redis but not Exchange: while Exchange is away, messages are still queued. Do not route requests here while this fails.',
  security: [],
  response: {
    200: jsonAnswer('Messages can be queued.', Ready, READY),
    ...problemAnswers('malformed-request', 'internal', 'queue-unavailable', 'stopping'),
  },
};
