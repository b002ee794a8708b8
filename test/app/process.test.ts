/** relay365's processes as an operator has them: started, stopped, killed, cut off from Redis, reloaded. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { NAMESPACE } from '../../src/queue/redis/keys.ts';
import type { Sandbox } from '../../src/sandbox/sandbox.ts';
import {
  environment,
  follow,
  ROOT,
  startProcess,
  temporaryFile,
  temporaryFolder,
  type TestProcess,
} from '../helpers/process.ts';
import { untilTrue } from '../helpers/eventually.ts';
import { startTestRedis, type TestRedis } from '../helpers/redis.ts';
import { client, isFinal, openTestSandbox, sandboxEnv } from '../helpers/service.ts';

let redis: TestRedis;
beforeAll(async () => {
  redis = await startTestRedis();
});
afterAll(() => redis.close());

const MAILBOX = '/mailboxes/sandbox@relay365.example';

async function urlOf(process: TestProcess): Promise<string> {
  return /http:\/\/[\d.]+:\d+/.exec(await process.line(/API ready/))?.[0] ?? '';
}

function environmentOf(sandbox: Sandbox, location = redis.location): Record<string, string> {
  const ca = temporaryFile('ca.pem', sandbox.caCertificate);
  return { ...sandboxEnv(sandbox), REDIS_URL: location.url, NODE_EXTRA_CA_CERTS: ca };
}

describe('npm start', () => {
  test.each(['SIGTERM', 'SIGKILL'] as const)('after %s has every queued mail again, and sends it', async (signal) => {
    const dataDir = temporaryFolder();
    const first = startProcess('src/start.ts', { PORT: '0', DATA_DIR: dataDir });
    const before = client({ url: await urlOf(first) });
    await before.request('POST', `${MAILBOX}/pause`);
    const ids = await Promise.all([1, 2, 3, 4, 5].map((n) => before.send({ subject: `Mail ${n}` })));
    // One that the worker looks at just now comes back when its lock ends: that is another test's.
    await untilTrue(async () => (await before.request('GET', MAILBOX)).body.queue.underWay === 0);
    expect(await first.end(signal)).toBe(signal === 'SIGTERM' ? 0 : signal);

    const second = startProcess('src/start.ts', { PORT: '0', DATA_DIR: dataDir });
    const after = client({ url: await urlOf(second) });
    await after.request('POST', `${MAILBOX}/resume`);
    const messages = await after.untilAll(ids, isFinal);
    expect(messages.map(({ status }) => status)).toEqual(ids.map(() => 'sent'));
    const { body } = await after.request('GET', '/sandbox/messages');
    expect(body.items).toHaveLength(5);
    expect(await second.end()).toBe(0);
  });

  test('ends when npm is stopped, and leaves nothing running', async () => {
    const variables = { PORT: '0', SMTP_IN_PORT: '0', DATA_DIR: temporaryFolder() };
    const npm = follow(spawn('npm', ['start'], { cwd: ROOT, env: environment(variables) }));
    const url = await urlOf(npm);
    // Its output ends with the last process that has it.
    await npm.end();
    expect(npm.lines.at(-1)).toContain('"msg":"stopped"');
    await expect(fetch(`${url}/health/live`)).rejects.toThrow();
  });

  test('says when the port is taken, and ends', async () => {
    const server = createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as { port: number };
    const process = startProcess('src/start.ts', { PORT: String(port), DATA_DIR: temporaryFolder() });
    expect(await process.line(/fatal/)).toMatch(`127.0.0.1:${port} is in use by another program`);
    expect(await process.ended).toBe(1);
    server.close();
  });

  test('says when it cannot write its data, and ends', async () => {
    const file = temporaryFile('file', '');
    const process = startProcess('src/start.ts', { PORT: '0', DATA_DIR: join(file, 'data') });
    expect(await process.line(/fatal/)).toContain('set DATA_DIR to a folder that relay365 may write to');
    expect(await process.ended).toBe(1);
  });

  test('refuses to share its data with another one', async () => {
    const dataDir = temporaryFolder();
    await urlOf(startProcess('src/start.ts', { PORT: '0', DATA_DIR: dataDir }));
    const second = startProcess('src/start.ts', { PORT: '0', DATA_DIR: dataDir });
    expect(await second.line(/fatal/)).toMatch(/Another relay365 is running on the data/);
    expect(await second.ended).toBe(1);
  });

  test('tells every fault of the configuration, and ends', async () => {
    const process = startProcess('src/start.ts', { PORT: 'x', M365_MAILBOX: 'a@contoso.com' });
    expect(await process.ended).toBe(1);
    expect(process.lines).toEqual([
      'The configuration has 4 errors:',
      expect.stringMatching(/^ {2}PORT must be a whole number/),
      expect.stringMatching(/^ {2}AZURE_CLIENT_SECRET is required/),
      expect.stringMatching(/^ {2}AZURE_TENANT_ID is required/),
      expect.stringMatching(/^ {2}AZURE_CLIENT_ID is required/),
    ]);
  });
});

describe('the API', () => {
  test('answers 503 at once while Redis is away, and takes mail again when it is back', async () => {
    const own = await startTestRedis();
    const sandbox = await openTestSandbox();
    const api = startProcess('src/api.ts', environmentOf(sandbox, own.location));
    const { request, send } = client({ url: await urlOf(api) });
    const id = await send();
    await own.stop();
    const began = Date.now();
    const { status, headers } = await request('POST', '/send', { to: 'a@example.com', text: 'x' });
    expect([status, Number(headers.get('retry-after')) > 0]).toEqual([503, true]);
    expect((await request('GET', `/messages/${id}`)).status).toBe(503);
    expect((await request('GET', '/health/ready')).status).toBe(503);
    expect((await request('GET', '/health/live')).status).toBe(200);
    expect(Date.now() - began).toBeLessThan(6_000);
    await own.start();
    await untilTrue(async () => (await request('GET', '/health/ready')).status === 200);
    expect((await request('GET', `/messages/${id}`)).body.status).toBe('queued');
    await send();
    await own.close();
  });
});

describe('API and workers apart', () => {
  test('send over TLS that a private authority vouches for, and a worker outlives an outage of Redis', async () => {
    const own = await startTestRedis();
    const sandbox = await openTestSandbox();
    const env = environmentOf(sandbox, own.location);
    const workers = [startProcess('src/worker.ts', env), startProcess('src/worker.ts', env)];
    const api = startProcess('src/api.ts', env);
    const { request, send, until } = client({ url: await urlOf(api) });
    await Promise.all(workers.map((worker) => worker.line(/worker ready/)));
    expect((await until(await send(), isFinal)).status).toBe('sent');
    await own.stop();
    await own.start();
    await untilTrue(async () => (await request('GET', '/health/ready')).status === 200);
    expect((await until(await send(), isFinal)).status).toBe('sent');
    expect(await Promise.all([...workers, api].map((process) => process.end()))).toEqual([0, 0, 0]);
    await own.close();
  });

  test("a killed worker's mail is taken up by another, and its record tells", async () => {
    const sandbox = await openTestSandbox();
    const own = await startTestRedis();
    const env = environmentOf(sandbox, own.location);
    // As src/worker.ts, except that a dead worker keeps its job for 2 s and not for 15 s.
    const timings = { lockMs: 2_000, stalledCheckMs: 500 };
    const startWorker = () =>
      startProcess('test/helpers/worker-process.ts', {
        ...env,
        TEST_NAMESPACE: NAMESPACE,
        TEST_TIMINGS: JSON.stringify(timings),
      });
    const first = startWorker();
    const api = startProcess('src/api.ts', env);
    const { send, until } = client({ url: await urlOf(api) });
    await first.line(/worker ready/);
    sandbox.exchange.script({ stage: 'end', accept: true, delayMs: Number.POSITIVE_INFINITY });
    const id = await send();
    await sandbox.exchange.waitFor(({ messages }) => messages.length === 1);
    await first.end('SIGKILL');
    const second = startWorker();
    await second.line(/worker ready/);
    const message = await until(id, isFinal);
    expect(message.attempts).toMatchObject([{ outcome: 'unknown' }, { outcome: 'sent' }]);
    expect(new Set(sandbox.exchange.messages.map(({ messageId }) => messageId))).toEqual(new Set([message.messageId]));
    await own.close();
  }, 60_000);

  test('SIGTERM ends a worker that waits for a Redis that is not there', async () => {
    const sandbox = await openTestSandbox();
    const location = { ...redis.location, url: 'redis://127.0.0.1:1' };
    const worker = startProcess('src/worker.ts', environmentOf(sandbox, location));
    await worker.line(/ECONNREFUSED/);
    expect(await worker.end()).toBe(0);
    expect(worker.lines.at(-1)).toContain('"msg":"stopped"');
  });

  test('SIGTERM lets a worker finish the mail that it has', async () => {
    const sandbox = await openTestSandbox();
    const own = await startTestRedis();
    const env = environmentOf(sandbox, own.location);
    const worker = startProcess('src/worker.ts', env);
    const api = startProcess('src/api.ts', env);
    const { request, send, until } = client({ url: await urlOf(api) });
    await worker.line(/worker ready/);
    sandbox.exchange.script({ stage: 'end', delayMs: 1_000 });
    const id = await send();
    await until(id, ({ status }) => status === 'sending');
    expect(await worker.end()).toBe(0);
    expect((await request('GET', `/messages/${id}`)).body).toMatchObject({
      status: 'sent',
      attempts: [{ outcome: 'sent' }],
    });
    await own.close();
  });

  test('SIGHUP takes over another file, and keeps the old one when it has faults', async () => {
    const sandbox = await openTestSandbox();
    const own = await startTestRedis();
    const file = join(temporaryFolder(), 'relay365.yaml');
    writeFileSync(file, 'mailboxes: []\n');
    const api = startProcess('src/api.ts', { ...environmentOf(sandbox, own.location), CONFIG_FILE: file });
    const { request } = client({ url: await urlOf(api) });
    const ids = async () => (await request('GET', '/mailboxes')).body.items.map(({ id }: { id: string }) => id);
    writeFileSync(file, 'mailboxes:\n  - address: second@contoso.com\n');
    api.child.kill('SIGHUP');
    await untilTrue(async () => (await ids()).length === 2);
    expect(await ids()).toEqual([sandbox.mailbox.address, 'second@contoso.com']);
    writeFileSync(file, 'mailboxes:\n  - adress: third@contoso.com\n');
    api.child.kill('SIGHUP');
    expect(await api.line(/configuration not reloaded/)).toMatch(/adress is not a field/);
    expect(await ids()).toHaveLength(2);
    await own.close();
  });

  test.each([
    ['src/api.ts', /REDIS_URL is required/],
    ['src/worker.ts', /REDIS_URL is required/],
  ])('%s says that it needs Redis', async (file, message) => {
    const process = startProcess(file, { M365_MAILBOX: 'a@contoso.com', SMTP_PASSWORD: 'x' });
    expect(await process.ended).toBe(1);
    expect(process.lines.join('\n')).toMatch(message);
  });
});
