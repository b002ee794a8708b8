/** `GET /health/live` and `/health/ready`, for whatever starts, stops and routes to this process. Open to everyone. */
import type { FastifyInstance } from 'fastify';
import { Type } from 'typebox';
import { sendProblem } from '../problems.ts';
import { jsonAnswer, problemAnswers } from '../schemas/answers.ts';

export interface HealthDependencies {
  /** Whether mail can be taken. Exchange is not asked: while it is away the queue goes on taking mail. */
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
    // Only into the log: the reason names hosts, and this route is open.
    request.log.warn({ checks }, 'not ready');
    return sendProblem(request, reply, 'queue-unavailable', { detail: "Redis can't be reached." });
  });
}

const liveSchema = {
  operationId: 'getLiveness',
  tags: ['Health'],
  summary: 'Is the process alive?',
  description: 'Answers as long as the process does. Restart it when this fails.',
  security: [],
  response: { 200: jsonAnswer('It is.', Live, LIVE), ...problemAnswers('malformed-request', 'internal', 'stopping') },
};

const readySchema = {
  operationId: 'getReadiness',
  tags: ['Health'],
  summary: 'Can mail be taken?',
  description:
    'Needs Redis, and not Exchange: when Exchange is away the queue goes on taking mail. Route no requests here while it fails.',
  security: [],
  response: {
    200: jsonAnswer('It can.', Ready, READY),
    ...problemAnswers('malformed-request', 'internal', 'queue-unavailable', 'stopping'),
  },
};
