/** What Prometheus sees of messages on their way. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { startProcess, temporaryFile } from '../helpers/process.ts';
import { startTestRedis, type TestRedis } from '../helpers/redis.ts';
import { isFinal, openTestSandbox, openTestService, sandboxEnv } from '../helpers/service.ts';

let redis: TestRedis;
beforeAll(async () => {
  redis = await startTestRedis();
});
afterAll(() => redis.close());

const MAILBOX = 'mailbox="sandbox@relay365.example"';

test('GET /metrics counts what was accepted, tried, answered and finished, and shows queues and limits', async () => {
  const { request, send, until, sandbox } = await openTestService({ location: redis.location });
  await until(await send(), isFinal);
  sandbox.exchange.script({ stage: 'end', reply: '554 5.6.0 Corrupt message content' });
  await until(await send(), isFinal);
  const scheduled = await send({ sendAt: new Date(Date.now() + 60_000).toISOString() });
  await request('DELETE', `/messages/${scheduled}`);
  await send({ sendAt: new Date(Date.now() + 60_000).toISOString() });
  const { headers, body } = await request('GET', '/metrics');
  expect(headers.get('content-type')).toMatch(/^text\/plain; version=/);
  for (const line of [
    `relay365_messages_accepted_total{${MAILBOX}} 4`,
    `relay365_messages_finished_total{${MAILBOX},status="sent"} 1`,
    `relay365_messages_finished_total{${MAILBOX},status="failed"} 1`,
    `relay365_messages_finished_total{${MAILBOX},status="canceled"} 1`,
    `relay365_replies_total{${MAILBOX},code="250",enhanced="2.0.0"} 1`,
    `relay365_replies_total{${MAILBOX},code="554",enhanced="5.6.0"} 1`,
    `relay365_attempt_duration_seconds_count{${MAILBOX},outcome="sent"} 1`,
    `relay365_queue_time_seconds_count{${MAILBOX}} 1`,
    `relay365_token_requests_total{${MAILBOX},outcome="renewed"} 1`,
    `relay365_queue_messages{${MAILBOX},state="delayed"} 1`,
    `relay365_mailbox_state{${MAILBOX},state="open"} 1`,
    `relay365_mailbox_state{${MAILBOX},state="held"} 0`,
    `relay365_mailbox_used{${MAILBOX},limit="recipients_per_day"} 1`,
    `relay365_mailbox_limit{${MAILBOX},limit="messages_per_minute"} 30`,
    'relay365_mailboxes 1',
    'relay365_redis_up 1',
    'relay365_unfinished_messages 1',
    'relay365_unfinished_messages_limit 500000',
    `relay365_unfinished_bytes_limit ${2_048 * 1024 ** 2}`,
  ]) {
    expect(body.split('\n')).toContain(line);
  }
});

test('GET /metrics counts from 0, for a first one to be seen as a rise', async () => {
  const { request } = await openTestService({ location: redis.location });
  const lines = (await request('GET', '/metrics')).body.split('\n');
  for (const status of ['sent', 'failed', 'expired', 'canceled'])
    expect(lines).toContain(`relay365_messages_finished_total{${MAILBOX},status="${status}"} 0`);
  for (const outcome of ['renewed', 'failed'])
    expect(lines).toContain(`relay365_token_requests_total{${MAILBOX},outcome="${outcome}"} 0`);
  expect(lines).toContain(`relay365_messages_accepted_total{${MAILBOX}} 0`);
});

test('GET /metrics tells of this process while Redis is away, and that it is', async () => {
  const own = await startTestRedis();
  const { request, send } = await openTestService({ location: own.location, workers: 0 });
  await send();
  expect((await request('GET', '/metrics')).body).toMatch(/^relay365_redis_up 1$/m);
  await own.stop();
  const { status, body } = await request('GET', '/metrics');
  expect(status).toBe(200);
  expect(body).toMatch(/^relay365_redis_up 0$/m);
  expect(body).toContain(`relay365_messages_accepted_total{${MAILBOX}} 1`);
  expect(body).not.toMatch(/^relay365_(mailbox_state|queue_messages|unfinished_messages)\b.* \d/m);
  await own.close();
});

test('a worker serves its metrics and its health at METRICS_PORT', async () => {
  const sandbox = await openTestSandbox();
  const ca = temporaryFile('ca.pem', sandbox.caCertificate);
  const env = { ...sandboxEnv(sandbox), REDIS_URL: redis.location.url, NODE_EXTRA_CA_CERTS: ca };
  const worker = startProcess('src/worker.ts', { ...env, METRICS_PORT: '0' });
  const url = /http:\S+\/metrics/.exec(await worker.line(/metrics at/))?.[0] ?? '';
  const text = await (await fetch(url)).text();
  expect(text).toMatch(/^process_cpu_seconds_total \d/m);
  expect(text).toMatch(/^# TYPE relay365_attempt_duration_seconds histogram/m);
  const statusOf = async (path: string) => (await fetch(url.replace('metrics', path))).status;
  expect(await statusOf('health/live')).toBe(200);
  await worker.line(/worker ready/);
  expect(await statusOf('health/ready')).toBe(200);
  expect(await statusOf('secrets')).toBe(404);
  expect(await worker.end()).toBe(0);
});

test('a worker without Redis lives, but is not ready', async () => {
  const own = await startTestRedis();
  await own.stop();
  const sandbox = await openTestSandbox();
  const ca = temporaryFile('ca.pem', sandbox.caCertificate);
  const env = { ...sandboxEnv(sandbox), REDIS_URL: own.location.url, NODE_EXTRA_CA_CERTS: ca, METRICS_PORT: '0' };
  const worker = startProcess('src/worker.ts', env);
  const url = /http:\S+\/metrics/.exec(await worker.line(/metrics at/))?.[0] ?? '';
  const statusOf = async (path: string) => (await fetch(url.replace('metrics', path))).status;
  expect([await statusOf('health/live'), await statusOf('health/ready')]).toEqual([200, 503]);
  await own.start();
  await worker.line(/worker ready/);
  expect(await statusOf('health/ready')).toBe(200);
  await own.stop();
  expect([await statusOf('health/live'), await statusOf('health/ready')]).toEqual([200, 503]);
  await worker.end('SIGKILL');
  await own.close();
});
