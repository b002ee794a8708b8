/** API keys as they are made, kept and used, from the command that makes one to the log of what it did. */
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { ROOT } from '../helpers/process.ts';
import { startTestRedis, type TestRedis } from '../helpers/redis.ts';
import { openTestService } from '../helpers/service.ts';

let redis: TestRedis;
beforeAll(async () => {
  redis = await startTestRedis();
});
afterAll(() => redis.close());

const MAIL = { to: 'a@example.com', text: 'x' };
const MAILBOX = 'sandbox@relay365.example';
const as = (key: string) => ({ authorization: `Bearer ${key}` });

/** `npm run key`, without npm's own output. */
function makeKey(...parameters: string[]) {
  const { status, stdout, stderr } = spawnSync(process.execPath, [join(ROOT, 'scripts/key.ts'), ...parameters], {
    encoding: 'utf8',
  });
  const key = /^ {2}(relay365_\S+)$/m.exec(stdout)?.[1] ?? '';
  return { status, stderr, key, entry: stdout.slice(stdout.indexOf('  - name:')) };
}

describe('npm run key', () => {
  test('prints a key, and lines for relay365.yaml with which it is known', async () => {
    const { key, entry } = makeKey('shop');
    expect(entry).not.toContain(key);
    expect(parse(entry)).toEqual([{ name: 'shop', hash: expect.stringMatching(/^sha256:/), scopes: ['send', 'read'] }]);
    const { request } = await openTestService({ location: redis.location, workers: 0, yaml: `apiKeys:\n${entry}` });
    expect((await request('POST', '/send', MAIL, as(key))).status).toBe(202);
    expect((await request('POST', '/send', MAIL, as(`${key}x`))).status).toBe(401);
    expect((await request('POST', '/send', MAIL, as(parse(entry)[0].hash))).status).toBe(401);
  });

  test('makes another one each time', () => {
    expect(makeKey('shop').key).not.toBe(makeKey('shop').key);
  });

  test.each([[[]], [['a b']], [['']], [['x'.repeat(65)]]])('%j is no name, and it says so', (parameters) => {
    const { status, stderr, key } = makeKey(...parameters);
    expect([status, key, stderr]).toEqual([1, '', expect.stringContaining('npm run key -- NAME')]);
  });
});

describe('a key with the scope admin', () => {
  const admin = makeKey('boss');
  const yaml = `apiKeys:\n${admin.entry.replace('[send, read]', '[send, read, admin]')}`;

  test('leaves a line in the log for each use of what needs it', async () => {
    const { request, log } = await openTestService({ location: redis.location, yaml });
    const uses = [
      ['pause', `/mailboxes/${MAILBOX}/pause`],
      ['resume', `/mailboxes/${MAILBOX}/resume`],
      ['verify', `/mailboxes/${MAILBOX}/verify`],
      ['retry', '/messages/retry?code=535'],
    ] as const;
    for (const [, path] of uses)
      expect((await request('POST', path, undefined, as(admin.key))).status).toBeLessThan(300);
    const lines = log.map((line) => JSON.parse(line)).filter(({ audit }) => audit !== undefined);
    expect(lines.map(({ audit, client, requestId }) => [audit, client, typeof requestId])).toEqual(
      uses.map(([audit]) => [audit, 'boss', 'string']),
    );
    expect(lines.at(-1)).toMatchObject({ code: '535', retried: 0 });
    expect(log.join('')).not.toContain(admin.key);
  });

  test('has its uses known beforehand: no other route needs it', async () => {
    const { request } = await openTestService({
      location: redis.location,
      workers: 0,
      env: { API_KEYS: 'shop:its-key,crm:other-key' },
      yaml,
    });
    const { paths } = (await request('GET', '/openapi.json')).body;
    const refused: string[] = [];
    for (const [path, methods] of Object.entries(paths)) {
      for (const method of Object.keys(methods as object)) {
        const url = path.replace(/\{\w+\}/, 'x');
        const { status } = await request(method.toUpperCase(), url, undefined, as('its-key'));
        if (status === 403) refused.push(`${method} ${path}`);
      }
    }
    expect(refused).toEqual([
      'post /messages/retry',
      'post /mailboxes/{id}/pause',
      'post /mailboxes/{id}/resume',
      'post /mailboxes/{id}/verify',
    ]);
  });
});

describe('a key of the file', () => {
  const { key, entry } = makeKey('shop');
  const yaml = (more: string) =>
    `mailboxes:\n  - address: ${MAILBOX}\n    sendAs: [sales@relay365.example]\n  - address: second@contoso.com\napiKeys:\n${entry}    ${more}\n`;

  test.each([
    ['mailboxes: [second@contoso.com]', { ...MAIL, mailbox: MAILBOX }, 422, 'mailbox'],
    ['mailboxes: [second@contoso.com]', { ...MAIL, from: MAILBOX }, 403, 'from'],
    ['senders: [sales@relay365.example]', MAIL, 403, 'from'],
    ['senders: ["@contoso.com"]', { ...MAIL, from: 'sales@relay365.example' }, 403, 'from'],
  ])('with %s may not send %j', async (more, mail, status, field) => {
    const { request } = await openTestService({ location: redis.location, workers: 0, yaml: yaml(more) });
    const answer = await request('POST', '/send', mail, as(key));
    expect([answer.status, answer.body.errors[0].field]).toEqual([status, field]);
  });

  test.each([
    ['mailboxes: [second@contoso.com]', MAIL, 'second@contoso.com'],
    ['senders: [sales@relay365.example]', { ...MAIL, from: 'sales@relay365.example' }, MAILBOX],
  ])('with %s may send %j through %s', async (more, mail, mailbox) => {
    const { request } = await openTestService({ location: redis.location, workers: 0, yaml: yaml(more) });
    const { status, body } = await request('POST', '/send', mail, as(key));
    expect([status, body.mailbox]).toEqual([202, mailbox]);
  });

  test('is bound by it in every form of a mail: a batch and a ready mail too', async () => {
    const { request } = await openTestService({
      location: redis.location,
      workers: 0,
      yaml: yaml('senders: [sales@relay365.example]'),
    });
    const batch = await request('POST', '/send/batch', { messages: [MAIL] }, as(key));
    expect(batch.body.results[0].error.status).toBe(403);
    const raw = await request('POST', '/send', 'To: a@example.com\r\n\r\nx', {
      ...as(key),
      'content-type': 'message/rfc822',
    });
    expect(raw.status).toBe(403);
  });

  test.each([
    ['expires: 2020-01-31', 401],
    ['expires: 2099-01-31', 202],
  ])('with %s gets %i', async (more, status) => {
    const { request } = await openTestService({ location: redis.location, workers: 0, yaml: yaml(more) });
    expect((await request('POST', '/send', MAIL, as(key))).status).toBe(status);
  });

  test('cancels and retries its own mails, and knows of no other', async () => {
    const { request } = await openTestService({
      location: redis.location,
      workers: 0,
      env: { API_KEYS: 'crm:other-key,shop:third-key' },
      yaml: yaml('requestsPerMinute: 100000'),
    });
    const later = { ...MAIL, sendAt: new Date(Date.now() + 60_000).toISOString() };
    const { body: own } = await request('POST', '/send', later, as(key));
    for (const [method, path] of [
      ['GET', ''],
      ['DELETE', ''],
      ['POST', '/retry'],
    ] as const)
      expect((await request(method, `/messages/${own.id}${path}`, undefined, as('other-key'))).status).toBe(404);
    expect((await request('DELETE', `/messages/${own.id}`, undefined, as(key))).status).toBe(200);
  });
});
