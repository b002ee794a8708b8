import { describe, expect, test } from 'vitest';
import { apiKey, openTestApp } from '../helpers/app.ts';

const KEYS = [apiKey('shop', 'first-key'), apiKey('crm', 'second-key')];
const GUARDED = [
  '/metrics',
  '/messages',
  '/messages/x',
  '/mailboxes',
  '/mailboxes/x',
  '/sandbox/messages',
  '/sandbox/messages/1.eml',
];
const GUARDED_POSTS = [
  '/send',
  '/send/batch',
  '/messages/retry',
  '/messages/x/retry',
  '/mailboxes/x/pause',
  '/mailboxes/x/resume',
  '/mailboxes/x/verify',
];
const OPEN = ['/health/live', '/health/ready', '/docs', '/docs/json', '/openapi.json'];

const MAIL = { to: 'a@example.com', text: 'x' };

describe('with keys', () => {
  test.each([
    ['no key', undefined, 401],
    ['the first key', 'Bearer first-key', 404],
    ['the last key', 'Bearer second-key', 404],
    ['the scheme in other case', 'bearer second-key', 404],
    ['spaces around', 'Bearer   second-key ', 404],
    ['another key', 'Bearer third-key', 401],
    ['a key and more', 'Bearer first-key2', 401],
    ['the beginning of a key', 'Bearer first', 401],
    ['two keys', 'Bearer first-key second-key', 401],
    ['another scheme', 'Basic first-key', 401],
    ['no scheme', 'first-key', 401],
    ['an empty key', 'Bearer ', 401],
    ["a key's name", 'Bearer shop', 401],
    ['a key in capitals', 'Bearer FIRST-KEY', 401],
    ['a very long key', `Bearer ${'x'.repeat(5_000)}`, 401],
  ])('%s gives %3$i', async (_title, authorization, statusCode) => {
    const { app } = openTestApp({ keys: KEYS });
    const response = await app.inject({
      url: '/messages/x',
      headers: authorization === undefined ? {} : { authorization },
    });
    expect(response.statusCode).toBe(statusCode);
  });

  test('a 401 says how to authenticate, and nothing of the keys', async () => {
    const { app } = openTestApp({ keys: KEYS });
    const response = await app.inject({ url: '/messages/x', headers: { authorization: 'Bearer nearly-first-key' } });
    expect(response.headers['www-authenticate']).toBe('Bearer realm="relay365"');
    expect(response.json().type).toBe('urn:relay365:problem:unauthorized');
    expect(response.body).not.toMatch(/first-key|shop|crm/);
  });

  test('POST /send without one is refused before its body is read', async () => {
    const { app, queued } = openTestApp({ keys: KEYS });
    const headers = { 'content-type': 'application/json' };
    const response = await app.inject({ method: 'POST', url: '/send', headers, payload: '{' });
    expect(response.statusCode).toBe(401);
    expect(queued).toHaveLength(0);
  });

  test.each(GUARDED)('%s needs one', async (url) => {
    const { app } = openTestApp({ keys: KEYS });
    expect((await app.inject({ url })).statusCode).toBe(401);
    expect((await app.inject({ method: 'HEAD', url })).statusCode).toBe(401);
  });

  test.each(GUARDED_POSTS)('POST %s needs one', async (url) => {
    const { app } = openTestApp({ keys: KEYS });
    expect((await app.inject({ method: 'POST', url, payload: {} })).statusCode).toBe(401);
  });

  test.each([
    ['send', 'GET', '/messages/x'],
    ['send', 'GET', '/mailboxes'],
    ['read', 'POST', '/send'],
    ['read', 'POST', '/mailboxes/x/pause'],
    ['send', 'POST', '/mailboxes/x/resume'],
    ['read', 'DELETE', '/messages/x'],
    ['read', 'POST', '/messages/x/retry'],
    ['send', 'POST', '/messages/retry'],
    ['read', 'POST', '/send/batch'],
    ['send', 'GET', '/messages'],
  ] as const)('one with the scope %s alone may not %s %s', async (scope, method, url) => {
    const { app } = openTestApp({ keys: [apiKey('shop', 'its-key', [scope])] });
    const headers = { authorization: 'Bearer its-key' };
    const response = await app.inject({ method, url, headers, ...(method === 'POST' && { payload: MAIL }) });
    expect(response.statusCode).toBe(403);
    expect(response.json().type).toBe('urn:relay365:problem:forbidden');
  });

  test('one that has expired is as good as none', async () => {
    const { app } = openTestApp({ keys: [{ ...apiKey('shop', 'its-key'), expires: new Date(Date.now() - 1) }] });
    const response = await app.inject({ url: '/messages/x', headers: { authorization: 'Bearer its-key' } });
    expect(response.statusCode).toBe(401);
  });

  test.each([
    ['mailboxes', { mailboxes: ['other@contoso.com'] }, 403],
    ['mailboxes', { mailboxes: ['NoReply@contoso.com'] }, 202],
    ['senders', { senders: ['sales@contoso.com'] }, 403],
    ['senders', { senders: ['@contoso.com'] }, 202],
    ['senders', { senders: ['@toso.com'] }, 403],
  ])('one with %s %j gets %i', async (_field, limits, statusCode) => {
    const { app } = openTestApp({ keys: [{ ...apiKey('shop', 'its-key'), ...limits }] });
    const headers = { authorization: 'Bearer its-key' };
    const response = await app.inject({ method: 'POST', url: '/send', headers, payload: MAIL });
    expect(response.statusCode).toBe(statusCode);
  });

  test.each(OPEN)('%s is open', async (url) => {
    const { app } = openTestApp({ keys: KEYS });
    expect((await app.inject({ url })).statusCode).toBe(200);
  });

  test('every route is either guarded or open, as listed here', async () => {
    const { app } = openTestApp({ keys: KEYS });
    await app.ready();
    const documented = Object.keys(app.swagger().paths ?? {}).map((path) => path.replace(/\{\w+\}/, 'x'));
    const listed = [...GUARDED_POSTS, ...GUARDED, ...OPEN].map((path) => path.replace('/1.eml', '/x.eml'));
    expect(listed).toEqual(expect.arrayContaining(documented));
  });

  test('another machine and another host are served', async () => {
    const { app } = openTestApp({ keys: KEYS });
    const headers = { authorization: 'Bearer first-key', host: 'mail.example.com', origin: 'https://other.example' };
    const response = await app.inject({ url: '/messages/x', headers, remoteAddress: '192.0.2.1' });
    expect(response.statusCode).toBe(404);
  });
});

describe('without keys', () => {
  const HOST = { host: 'localhost:3000' };

  test.each([
    ['a program of this machine', HOST, '127.0.0.1', 404],
    ['a program that uses IPv6', { host: '[::1]:3000' }, '::1', 404],
    ['a program that uses the address', { host: '127.0.0.1:3000' }, '::ffff:127.0.0.1', 404],
    ['a host in capitals', { host: 'LOCALHOST' }, '127.0.0.1', 404],
    ['our own page', { ...HOST, origin: 'http://localhost:3000', 'sec-fetch-site': 'same-origin' }, '127.0.0.1', 404],
    ['a URL typed into the browser', { ...HOST, 'sec-fetch-site': 'none' }, '127.0.0.1', 404],
    ['another machine', HOST, '192.0.2.1', 403],
    ['another machine over IPv6', HOST, '2001:db8::1', 403],
    ['a name that was rebound to this machine', { host: 'evil.example:3000' }, '127.0.0.1', 403],
    ['a name that begins like ours', { host: 'localhost.evil.example' }, '127.0.0.1', 403],
    ['an address that begins like ours', { host: '127.0.0.1.evil.example' }, '127.0.0.1', 403],
    ['a page of another site', { ...HOST, origin: 'https://evil.example' }, '127.0.0.1', 403],
    [
      'a page of another port',
      { ...HOST, origin: 'http://localhost:8080', 'sec-fetch-site': 'same-site' },
      '127.0.0.1',
      403,
    ],
    ['a page without an origin', { ...HOST, origin: 'null' }, '127.0.0.1', 403],
    ['an image on another site', { ...HOST, 'sec-fetch-site': 'cross-site' }, '127.0.0.1', 403],
  ])('%s gets %4$i', async (_title, headers, remoteAddress, statusCode) => {
    const { app } = openTestApp();
    const response = await app.inject({ url: '/messages/x', headers, remoteAddress });
    expect(response.statusCode).toBe(statusCode);
    if (statusCode === 403) expect(response.json().type).toBe('urn:relay365:problem:not-local');
  });

  test("another site's form cannot send a mail", async () => {
    const { app, queued } = openTestApp();
    const form = { ...HOST, 'content-type': 'text/plain' };
    const mail = JSON.stringify({ to: 'a@example.com', text: 'x' });
    expect((await app.inject({ method: 'POST', url: '/send', headers: form, payload: mail })).statusCode).toBe(415);
    const script = { ...HOST, 'content-type': 'application/json', origin: 'https://evil.example' };
    expect((await app.inject({ method: 'POST', url: '/send', headers: script, payload: mail })).statusCode).toBe(403);
    expect(queued).toHaveLength(0);
  });

  test("another site's preflight gets no leave", async () => {
    const { app } = openTestApp();
    const headers = { ...HOST, origin: 'https://evil.example', 'access-control-request-method': 'POST' };
    const response = await app.inject({ method: 'OPTIONS', url: '/send', headers });
    expect(response.statusCode).toBe(405);
    expect(Object.keys(response.headers).filter((name) => name.startsWith('access-control'))).toEqual([]);
  });
});
