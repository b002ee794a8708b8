/** Secrets and mails in a real process, where they could leak: its log, its answers, its metrics, its list of processes. */
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { listenTestApp, openTestApp, talk } from '../helpers/app.ts';
import { startProcess, temporaryFile, temporaryFolder, type TestProcess } from '../helpers/process.ts';
import { connectTo, startTestRedis, type TestRedis } from '../helpers/redis.ts';
import { client, isFinal, openTestSandbox, sandboxEnv } from '../helpers/service.ts';

let redis: TestRedis;
beforeAll(async () => {
  redis = await startTestRedis();
});
afterAll(() => redis.close());

const KEY = 'an-api-key-that-nobody-may-see';
const BODY_KEY = randomBytes(32).toString('base64');
const MAIL = {
  to: 'recipient-that-no-log-may-show@example.com',
  subject: 'subject-that-no-log-may-show',
  text: 'body-that-no-log-may-show',
  metadata: { order: 'metadata-that-no-log-may-show' },
};

const hasProc = existsSync('/proc/self/environ');
const read = (pid: number, file: string): string => readFileSync(`/proc/${pid}/${file}`, 'latin1');
const childrenOf = (pid: number): number[] => read(pid, `task/${pid}/children`).split(' ').filter(Boolean).map(Number);

async function urlOf(process: TestProcess): Promise<string> {
  return /http:\/\/[\d.]+:\d+/.exec(await process.line(/API ready/))?.[0] ?? '';
}

describe('a process', () => {
  test('that sends, fails and is asked about all of it gives no secret and no mail away', async () => {
    const sandbox = await openTestSandbox();
    const env = sandboxEnv(sandbox);
    const process = startProcess('src/start.ts', {
      ...env,
      API_KEYS: `shop:${KEY}`,
      BODY_KEYS: `k:${BODY_KEY}`,
      DATA_DIR: temporaryFolder(),
      LOG_LEVEL: 'trace',
      NODE_EXTRA_CA_CERTS: temporaryFile('ca.pem', sandbox.caCertificate),
    });
    const { request, send, until } = client({ url: await urlOf(process), key: KEY });
    await until(await send(MAIL), isFinal);
    sandbox.exchange.script({ stage: 'end', reply: '554 5.6.0 Corrupt message content' });
    await until(await send(MAIL), isFinal);
    sandbox.entra.setSecrets(sandbox.mailbox.clientId, 'another');
    sandbox.entra.revokeTokens();
    sandbox.exchange.disconnectAll();
    await until(await send(MAIL), ({ status }) => status === 'held');
    await request('GET', '/nowhere', undefined, { authorization: `Bearer ${KEY}-wrong` });
    const answers = await Promise.all(['/metrics', '/mailboxes', '/openapi.json'].map((path) => request('GET', path)));
    const shown = answers.map(({ body }) => JSON.stringify(body)).join('\n');
    const secrets = [KEY, BODY_KEY, env['AZURE_CLIENT_SECRET'] ?? '', 'Bearer ey', 'eyJ'];
    for (const secret of secrets) expect([secret, process.lines.join('\n').includes(secret)]).toEqual([secret, false]);
    for (const secret of secrets) expect([secret, shown.includes(secret)]).toEqual([secret, false]);
    for (const mail of [process.lines.join('\n'), shown]) expect(mail).not.toMatch(/that-no-log-may-show/);
    if (hasProc) checkProcesses(process.child.pid ?? 0, secrets);
  });

  test('tells nobody the password of Redis, not even when it is wrong', async () => {
    const own = await startTestRedis();
    const port = await freePort();
    await connectTo(own).config('SET', 'port', port, 'requirepass', 'right');
    const sandbox = await openTestSandbox();
    const url = `redis://:wrong-password-of-redis@127.0.0.1:${port}`;
    const process = startProcess('src/api.ts', { ...sandboxEnv(sandbox), REDIS_URL: url, LOG_LEVEL: 'trace' });
    const { request } = client({ url: await urlOf(process) });
    const { status, body } = await request('GET', '/health/ready');
    expect(status).toBe(503);
    await process.line(/WRONGPASS|NOAUTH/);
    expect(process.lines.join('\n') + JSON.stringify(body)).not.toContain('wrong-password-of-redis');
    await own.close();
  });
});

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as { port: number };
  server.close();
  await once(server, 'close');
  return port;
}

/** Anybody on a machine may list its processes; what a child inherits is one more place to leak from. */
function checkProcesses(pid: number, secrets: readonly string[]): void {
  const children = childrenOf(pid);
  expect(children).toHaveLength(1);
  for (const process of [pid, ...children]) {
    for (const secret of secrets) expect(read(process, 'cmdline')).not.toContain(secret);
  }
  for (const child of children) {
    for (const secret of secrets) expect(read(child, 'environ')).not.toContain(secret);
  }
}

describe('the log', () => {
  const FAKE = '\n{"level":50,"msg":"forged"}\r\n\x1b[2J\u2028forged\0';

  test('has a line for each thing that happened, whatever a client writes', async () => {
    const { app, log } = openTestApp();
    const headers = { 'x-request-id': 'forged line', 'user-agent': 'forged', 'idempotency-key': 'forged' };
    const mail = {
      to: `a@example.com${FAKE}`,
      from: FAKE,
      subject: FAKE,
      text: FAKE,
      metadata: { [FAKE]: FAKE },
      mailbox: FAKE,
    };
    await app.inject({ method: 'POST', url: '/send', headers, payload: mail });
    await app.inject({
      method: 'POST',
      url: '/send',
      headers,
      payload: { to: 'a@example.com', text: FAKE, metadata: { x: 'y' } },
    });
    for (const place of ['/messages/', '/nowhere/', '/mailboxes/', '/messages?cursor=', '/sandbox/messages/']) {
      await app.inject({ url: place + encodeURIComponent(FAKE), headers });
    }
    checkLines(log);
  });

  test('has no address that stands in a URL', async () => {
    const { app, log } = openTestApp();
    const query = '?to=someone@example.com';
    const payload = 'Subject: x\r\n\r\nHello.\r\n';
    await app.inject({ method: 'POST', url: `/send${query}`, headers: { 'content-type': 'message/rfc822' }, payload });
    for (const url of ['/send', '/nowhere', '/messages', '/messages/x', '/%']) await app.inject(`${url}${query}`);
    expect(log.length).toBeGreaterThan(3);
    expect(log.join('')).not.toMatch(/someone/);
  });

  test('has none of what is not even HTTP', async () => {
    const { port, log } = await listenTestApp();
    await Promise.all([
      talk(port, `GET /${FAKE} HTTP/1.1\r\nHost: localhost\r\n\r\n`),
      talk(port, `GET / HTTP/1.1\r\nHost: localhost\r\nX-Request-Id: a${FAKE}\r\nConnection: close\r\n\r\n`),
      talk(port, `${FAKE} / HTTP/1.1\r\n\r\n`),
      talk(port, `GET /\xff\xfe HTTP/1.1\r\nHost: ${FAKE}\r\n\r\n`),
    ]);
    checkLines(log);
  });
});

function checkLines(log: readonly string[]): void {
  for (const line of log.join('').split('\n').filter(Boolean)) {
    expect(line).not.toMatch(/[\u0000-\u001f\u007f]/);
    expect(JSON.parse(line).msg).not.toMatch(/forged/);
  }
}
