import { describe, expect, test } from 'vitest';
import { openTestApp, type TestApp } from '../helpers/app.ts';
import { cpuMsOf } from '../helpers/cpu.ts';

const MAIL = '{"to":"someone@example.com","text":"Hello!"}';

type Answer = Awaited<ReturnType<TestApp['app']['inject']>>;

async function post(
  payload: string | Buffer,
  headers: Record<string, string> = {},
): Promise<Answer & Pick<TestApp, 'queued'>> {
  const { app, queued } = openTestApp();
  const response = await app.inject({
    method: 'POST',
    url: '/send',
    headers: { 'content-type': 'application/json', ...headers },
    payload,
  });
  return Object.assign(response, { queued });
}

describe('a JSON body', () => {
  test.each([
    ['with a charset', MAIL, { 'content-type': 'application/json; charset=utf-8' }],
    ['with its type in capitals', MAIL, { 'content-type': 'APPLICATION/JSON' }],
    ['with a byte order mark', `\ufeff${MAIL}`, {}],
    [
      'with quotes, brackets and backslashes in its strings',
      JSON.stringify({ to: 'a@example.com', text: '\\"[[{{,,\\\\' }),
      {},
    ],
    ['with 500 named recipients', JSON.stringify({ to: many(500), text: 'x' }), {}],
  ])('%s is read', async (_title, payload, headers) => {
    expect((await post(payload, headers)).statusCode).toBe(202);
  });

  test('keeps non-ASCII text as it is', async () => {
    const { queued } = await post(Buffer.from('{"to":"a@example.com","subject":"Grüße 🎉","text":"\\u00e4"}'));
    expect(queued[0]).toMatchObject({ message: { subject: 'Grüße 🎉' }, content: { text: 'ä' } });
  });

  test.each([
    ['is cut off', '{"to":', 'Unexpected end of JSON input'],
    ['has a syntax error', '{"to":"a@example.com",}', 'line 1 column 23'],
    ['ends in a string', '{"to":"a@example.com', 'Unterminated string'],
    ['is empty', '', 'empty'],
    ['is Latin-1', Buffer.from(MAIL.replace('Hello', 'Grüße'), 'latin1'), 'not UTF-8'],
    ['sets a prototype', '{"to":"a@example.com","text":"x","__proto__":{"from":"x"}}', '__proto__'],
    ['sets a prototype in disguise', '{"headers":{"\\u005f_proto__":{"x":"y"}}}', '__proto__'],
    ['sets a prototype through its constructor', '{"constructor":{"prototype":{"x":"y"}}}', 'constructor'],
    ['is nested too deep', '['.repeat(33) + ']'.repeat(33), 'nested'],
    ['is a bomb of depth', '['.repeat(10_000_000), 'nested'],
    ['is a bomb of values', `[${'{},'.repeat(10_000_000)}{}]`, 'values'],
    ['is a bomb of numbers', `[${'1,'.repeat(10_000_000)}1]`, 'values'],
  ])('that %s is refused with 400 and the reason', async (_title, payload, words) => {
    const response = await post(payload);
    expect(response.statusCode).toBe(400);
    expect(response.json()).toMatchObject({
      type: 'urn:relay365:problem:invalid-json',
      detail: expect.stringContaining(words),
    });
  });

  test('of ten million brackets costs less than a second', async () => {
    expect(await cpuMsOf(() => post('['.repeat(10_000_000)))).toBeLessThan(1_000);
  });
});

describe('another body', () => {
  test.each([
    ['a form', { 'content-type': 'application/x-www-form-urlencoded' }, 'application/x-www-form-urlencoded'],
    ['plain text', { 'content-type': 'text/plain' }, 'text/plain'],
    ['a type with the same beginning', { 'content-type': 'application/json-patch+json' }, 'json-patch'],
    ['no valid type', { 'content-type': 'json' }, 'json'],
    ['a compressed one', { 'content-encoding': 'gzip' }, 'gzip'],
  ])('%s is refused with 415 and what was sent', async (_title, headers, words) => {
    const response = await post(MAIL, headers);
    expect(response.statusCode).toBe(415);
    expect(response.json().type).toBe('urn:relay365:problem:unsupported-media-type');
    expect(response.json().detail).toContain(words);
  });

  test('without a Content-Type is refused with 415', async () => {
    const { app } = openTestApp();
    const response = await app.inject({ method: 'POST', url: '/send', headers: { 'content-type': '' }, payload: MAIL });
    expect(response.statusCode).toBe(415);
    expect(response.json().detail).toContain('application/json');
  });
});

function many(count: number): readonly object[] {
  return Array.from({ length: count }, (_, n) => ({ name: `Someone ${n}`, address: `a${n}@example.com` }));
}
