/** Clients that reach for more than their key gives them: keys by guessing, mails of others, senders that are not theirs. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { startTestRedis, type TestRedis } from '../helpers/redis.ts';
import { apiKey, MAILBOX, openTestApp } from '../helpers/app.ts';
import type { RawContent } from '../../src/core/message/message.ts';
import { openTestService } from '../helpers/service.ts';

let redis: TestRedis;
beforeAll(async () => {
  redis = await startTestRedis();
});
afterAll(() => redis.close());

const MAIL = { to: 'someone@example.com', text: 'Hello.' };
const bearer = (key: string): Record<string, string> => ({ authorization: `Bearer ${key}` });

describe('guessing a key', () => {
  const ask = async (app: ReturnType<typeof openTestApp>['app'], key: string, ip: string, forwarded?: string) => {
    const headers = { ...bearer(key), ...(forwarded !== undefined && { 'x-forwarded-for': forwarded }) };
    return app.inject({ method: 'POST', url: '/send', payload: MAIL, headers, remoteAddress: ip });
  };

  test('ends after 20 guesses, and the right key then gets the same answer', async () => {
    const { app, queued, log } = openTestApp({ keys: [apiKey('shop', 'hunter2')] });
    for (let n = 0; n < 20; n += 1) expect((await ask(app, `hunter${n + 10}`, '192.0.2.1')).statusCode).toBe(401);
    const [wrong, right] = [await ask(app, 'hunter1', '192.0.2.1'), await ask(app, 'hunter2', '192.0.2.1')];
    expect([wrong.statusCode, right.statusCode]).toEqual([429, 429]);
    const { requestId: _, ...said } = right.json();
    expect(wrong.json()).toMatchObject(said);
    expect(Number(right.headers['retry-after'])).toBeGreaterThan(0);
    expect(queued).toEqual([]);
    expect(log.filter((line) => line.includes('too many wrong API keys'))).toHaveLength(1);
    expect(log.join()).not.toContain('hunter');
  });

  test('shuts out neither who has a key, nor who has none to show', async () => {
    const { app } = openTestApp({ keys: [apiKey('shop', 'its-key')] });
    expect((await ask(app, 'its-key', '192.0.2.1')).statusCode).toBe(202);
    for (let n = 0; n < 25; n += 1) await ask(app, 'wrong', '192.0.2.1');
    expect((await ask(app, 'its-key', '192.0.2.1')).statusCode).toBe(202);
    expect((await ask(app, 'its-key', '192.0.2.2')).statusCode).toBe(202);
    const without = await app.inject({ method: 'POST', url: '/send', payload: MAIL, remoteAddress: '192.0.2.1' });
    expect(without.statusCode).toBe(401);
    expect((await app.inject({ url: '/health/live', remoteAddress: '192.0.2.1' })).statusCode).toBe(200);
  });

  test.each<[string, (n: number) => readonly [ip: string, forwarded: string], string[]?]>([
    ['from all addresses of a network', (n) => [`2001:db8::${n}`, '']],
    ['under names that are made up', (n) => ['192.0.2.1', `10.0.0.${n}`]],
    ['under names that are put before the true one', (n) => ['10.9.9.9', `10.0.0.${n}, 192.0.2.1`], ['10.9.9.9']],
  ])('%s is counted as one', async (_title, from, trustProxy) => {
    const { app } = openTestApp({ keys: [apiKey('shop', 'its-key')], ...(trustProxy && { trustProxy }) });
    for (let n = 0; n < 20; n += 1) await ask(app, 'wrong', ...from(n));
    expect((await ask(app, 'wrong', ...from(99))).statusCode).toBe(429);
  });

  test('behind a trusted proxy is counted by the client', async () => {
    const { app } = openTestApp({ keys: [apiKey('shop', 'its-key')], trustProxy: ['10.9.9.9'] });
    for (let n = 0; n < 21; n += 1) await ask(app, 'wrong', '10.9.9.9', '192.0.2.1');
    expect((await ask(app, 'its-key', '10.9.9.9', '192.0.2.1')).statusCode).toBe(429);
    expect((await ask(app, 'its-key', '10.9.9.9', '192.0.2.2')).statusCode).toBe(202);
  });
});

describe("another client's mail", () => {
  test('is as good as none, by whatever way it is asked for', async () => {
    const service = await openTestService({
      location: redis.location,
      env: { API_KEYS: 'shop:shop-key,crm:crm-key' },
    });
    const { body } = await service.request('POST', '/send', { ...MAIL, sendAt: later() }, bearer('shop-key'));
    const ask = async (method: string, path: string, key = 'crm-key') => {
      const response = await fetch(service.url + path, { method, headers: bearer(key) });
      const { type, detail } = JSON.parse((await response.text()) || '{}');
      return { status: response.status, type, detail };
    };
    const ways = [
      ['GET', ''],
      ['HEAD', ''],
      ['DELETE', ''],
      ['POST', '/retry'],
    ] as const;
    for (const [method, suffix] of ways) {
      const [hers, nobodys] = await Promise.all([
        ask(method, `/messages/${body.id}${suffix}`),
        ask(method, `/messages/${crypto.randomUUID()}${suffix}`),
      ]);
      expect([method, hers.status]).toEqual([method, 404]);
      expect(hers).toEqual(nobodys);
    }
    const list = await service.request('GET', '/messages', undefined, bearer('crm-key'));
    expect(list.body.items).toEqual([]);
    expect(await ask('POST', '/messages/retry')).toMatchObject({ status: 403 });
    expect((await service.request('GET', `/messages/${body.id}`, undefined, bearer('shop-key'))).body.status).toBe(
      'scheduled',
    );
  });

  test('is not answered with, for the same Idempotency-Key', async () => {
    const service = await openTestService({
      location: redis.location,
      workers: 0,
      env: { API_KEYS: 'shop:shop-key,crm:crm-key' },
    });
    const send = (key: string) =>
      service.request('POST', '/send', MAIL, { ...bearer(key), 'idempotency-key': 'guessed' });
    const [hers, mine] = [await send('shop-key'), await send('crm-key')];
    expect([hers.status, mine.status]).toEqual([202, 202]);
    expect(mine.body.id).not.toBe(hers.body.id);
    expect(mine.headers.get('idempotent-replayed')).toBeNull();
  });

  test.each(['../load', '*', 'a:b', '%00', '..%2f..%2fx', "' OR 1=1", '{relay365}:record:x', 'x'.repeat(90)])(
    'is not found under the id %j',
    async (id) => {
      const service = await openTestService({ location: redis.location, workers: 0 });
      for (const [method, path] of [
        ['GET', ''],
        ['DELETE', ''],
        ['POST', '/retry'],
      ]) {
        const { status } = await service.request(String(method), `/messages/${encodeURIComponent(id)}${path}`);
        expect(status).toBe(404);
      }
    },
  );
});

function later(): string {
  return new Date(Date.now() + 3_600_000).toISOString();
}

describe('a sender that is not the mailbox', () => {
  const OWN = MAILBOX.address;
  const post = async (type: string, payload: string | object) => {
    const { app, queued } = openTestApp();
    const { statusCode } = await app.inject({
      method: 'POST',
      url: '/send',
      headers: { 'content-type': type },
      payload,
    });
    return { statusCode, queued };
  };
  test.each([
    'ceo@contoso.com',
    'noreply@contoso.com.evil.example',
    'noreply@evil.example',
    'noreply+x@contoso.com',
    'noreply@contoso.com.',
    'noreply@sub.contoso.com',
    'ոoreply@contoso.com',
    'noreply＠contoso.com',
    'noreply@contoso.com, ceo@contoso.com',
    '<noreply@contoso.com> <ceo@contoso.com>',
    'ceo@contoso.com <noreply@evil.example>',
    'noreply%evil.example@contoso.com',
    'evil.example!noreply@contoso.com',
    '@evil.example:noreply@contoso.com',
    'noreply@contoso.com\u0000@evil.example',
    '',
  ])('%j may not send, neither as JSON nor as a ready mail', async (from) => {
    const ready = `From: ${from || '<>'}\r\nTo: someone@example.com\r\n\r\nHello.\r\n`;
    expect([403, 422]).toContain((await post('application/json', { ...MAIL, from })).statusCode);
    expect([403, 422]).toContain((await post('message/rfc822', ready)).statusCode);
  });

  test.each([
    ['two senders', `From: ${OWN}, ceo@contoso.com`],
    ['two From fields', `From: ${OWN}\r\nFrom: ceo@contoso.com`],
    ['two From fields in other case', `From: ${OWN}\r\nFROM: ceo@contoso.com`],
    ['two From fields, one with a blank', `From: ${OWN}\r\nFrom : ceo@contoso.com`],
    ['a group of senders', `From: x: ${OWN}, ceo@contoso.com;`],
    ['an address in a comment', `From: ceo@contoso.com (${OWN})`],
    ['an encoded word for an address', `From: =?utf-8?q?noreply=40contoso.com?= <ceo@contoso.com>`],
    ['an encoded address', `From: =?utf-8?q?ceo=40contoso.com=2C?= ${OWN} <ceo@contoso.com>`],
    ['another Sender', `From: ${OWN}\r\nSender: ceo@contoso.com`],
    ['no sender', 'From:'],
    ['a sender of blanks', 'From: \t '],
    ['a sender of another mailbox behind a comment', `From: ${OWN} (x) <ceo@contoso.com>`],
  ])('by %s in a ready mail goes out, if at all, from the mailbox alone', async (_title, head) => {
    const { statusCode, queued } = await post('message/rfc822', `${head}\r\nTo: someone@example.com\r\n\r\nHello.\r\n`);
    if (statusCode !== 202) return void expect([403, 422]).toContain(statusCode);
    const [submission] = queued;
    const { added = '', raw: rest = '' } = (submission?.content ?? {}) as Partial<RawContent>;
    const raw = `${added}${rest}`;
    expect(submission?.message.from.address).toBe(OWN);
    expect(raw.match(/^from[ \t]*:.*$/gim)).toHaveLength(1);
    expect(raw).toMatch(new RegExp(`^From:.*${OWN}`, 'm'));
    expect(raw).not.toMatch(/^Sender:/im);
  });
});
