/** `GET /metrics`: what Prometheus reads. */
import type { FastifyInstance } from 'fastify';
import { Type } from 'typebox';
import { contentAnswer, guardedAnswers } from '../schemas/answers.ts';

export interface MetricsDependencies {
  readonly metrics: { readonly text: () => Promise<string>; readonly contentType: string };
}

const EXAMPLE =
  '# TYPE relay365_messages_accepted_total counter\nrelay365_messages_accepted_total{mailbox="noreply@contoso.com"} 17\n';

export function metricsRoute(app: FastifyInstance, { metrics }: MetricsDependencies): void {
  app.get('/metrics', { schema, config: { scope: 'read' } }, async (_request, reply) =>
    reply.type(metrics.contentType).send(await metrics.text()),
  );
}

const schema = {
  operationId: 'getMetrics',
  tags: ['Health'],
  summary: 'Metrics for Prometheus',
  description:
    'Counters and histograms of this process, and queues, states and limits of all mailboxes. docs/metrics.md lists them, ' +
    'with an example dashboard and alerts. A separate worker serves its metrics at `METRICS_PORT`.',
  response: {
    200: contentAnswer('The text format of Prometheus.', 'text/plain', { schema: Type.String(), example: EXAMPLE }),
    ...guardedAnswers(),
  },
};
