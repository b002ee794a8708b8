/** What you would write in an afternoon instead of the worker: it hands each job to nodemailer unchanged. */
import { Worker } from 'bullmq';
import { Redis } from 'ioredis';
import { openTransport } from './transport.ts';

const CONNECTIONS = 10;

const { REDIS_URL = '', SMTP_PORT } = process.env;
const transport = openTransport(Number(SMTP_PORT), CONNECTIONS);

new Worker('mail', (job) => transport.sendMail(job.data), {
  connection: new Redis(REDIS_URL, { maxRetriesPerRequest: null }),
  concurrency: CONNECTIONS,
});
