/** What you would write in an afternoon instead of the API: Fastify, with the request's body as the job. */
import { Queue } from 'bullmq';
import Fastify from 'fastify';
import { Redis } from 'ioredis';

const { REDIS_URL = '', PORT } = process.env;
const queue = new Queue('mail', { connection: new Redis(REDIS_URL, { maxRetriesPerRequest: null }) });
const app = Fastify();

app.get('/health/ready', () => ({ ok: true }));

app.post('/send', async (request, reply) => {
  const job = await queue.add('send', request.body, {
    attempts: 5,
    backoff: { type: 'exponential', delay: 30_000 },
    removeOnComplete: true,
  });
  return reply.code(202).send({ id: job.id });
});

await app.listen({ port: Number(PORT) });
