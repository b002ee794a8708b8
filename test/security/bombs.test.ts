/** Requests that are made to cost more than they are: each is refused before it does, and nobody else waits for it. */
import { connect, type Socket } from 'node:net';
import { describe, expect, onTestFinished, test } from 'vitest';
import { readRawDraft } from '../../src/core/message/raw-draft.ts';
import { headerValues } from '../../src/smtp/header-values.ts';
import { apiKey, listenTestApp, openTestApp } from '../helpers/app.ts';

const PART = '--b\r\nContent-Disposition: form-data; name=';
const END = '\r\n--b--\r\n';
const TO = `${PART}"to"\r\n\r\na@example.com\r\n${PART}"text"\r\n\r\nx\r\n`;
const JSON_PART = `${TO}${PART}"metadata"\r\nContent-Type: application/json\r\n\r\n`;

describe('a form that is a bomb', () => {
  const post = async (payload: string) => {
    const { app, queued } = openTestApp();
    const headers = { 'content-type': 'multipart/form-data; boundary=b' };
    const response = await app.inject({ method: 'POST', url: '/send', headers, payload });
    return { status: response.statusCode, queued };
  };

  test.each([
    ['of parts', `${PART}"x"\r\n\r\n\r\n`.repeat(20_000) + END, [413]],
    ['of files', `${TO}${`${PART}"attachments"; filename="a"\r\n\r\n\r\n`.repeat(1_100)}${END}`, [413]],
    ['of fields given again', `${PART}"subject"\r\n\r\nx\r\n`.repeat(900) + END, [422]],
    ['of the header of a part', `${PART}"x"\r\nX: ${'a'.repeat(3_000_000)}\r\n\r\n${END}`, [400, 422]],
    ['of the headers of a part', `${PART}"x"\r\n${'X: a\r\n'.repeat(500_000)}\r\n${END}`, [400, 422]],
    ['of a name', `${PART}"${'x'.repeat(5_000_000)}"\r\n\r\n${END}`, [400, 422]],
    ['of what is almost its boundary', `${TO}${'\r\n--'.repeat(500_000)}`, [400, 422]],
    ['of JSON in a field', `${TO}${PART}"metadata"\r\n\r\n${'['.repeat(5_000_000)}${END}`, [422]],
    ['of JSON in a field that says so', `${JSON_PART}${'['.repeat(5_000_000)}${END}`, [422]],
    ['of values in JSON', `${JSON_PART}{"a":[${'1,'.repeat(1_000_000)}1]}${END}`, [422]],
    [
      'of a prototype in JSON',
      `${JSON_PART}{"__proto__":{"polluted":"x"},"constructor":{"prototype":{}}}${END}`,
      [422],
    ],
    ['that does not end', `${TO}${PART}"attachments"; filename="a"\r\n\r\n${'x'.repeat(1_000_000)}`, [400]],
  ])('%s is refused', async (_title, payload, statuses) => {
    const { status, queued } = await post(payload);
    expect(statuses).toContain(status);
    expect(queued).toEqual([]);
    expect(({} as { polluted?: string }).polluted).toBeUndefined();
  });
});

describe('JSON that is a bomb', () => {
  const many = (count: number, one: (n: number) => string): string =>
    Array.from({ length: count }, (_, n) => one(n)).join();
  test.each([
    ['of unknown fields', `{${many(40_000, (n) => `"f${n}":1`)}}`],
    ['of headers', `{"to":"a@example.com","text":"x","headers":{${many(40_000, (n) => `"X-${n}":"\\n"`)}}}`],
    ['of metadata', `{"to":"a@example.com","text":"x","metadata":{${many(40_000, (n) => `"k${n}":"x"`)}}}`],
    ['of recipients', `{"text":"x","to":[${many(40_000, (n) => `"${n}@"`)}]}`],
    [
      'of attachments',
      `{"to":"a@example.com","attachments":[${many(15_000, () => '{"filename":"/","content":"?"}')}]}`,
    ],
    ['of one long address', `{"text":"x","to":"${'a.'.repeat(3_000_000)}@example.com"}`],
    ['of one long subject', `{"to":"a@example.com","text":"x","subject":"${'x'.repeat(3_000_000)}"}`],
    ['of one long key', `{"to":"a@example.com","text":"x","${'k'.repeat(3_000_000)}":1}`],
    [
      'of one long content type',
      `{"to":"a@example.com","attachments":[{"filename":"a","content":"","contentType":"a/b${';x=y'.repeat(1_000_000)};"}]}`,
    ],
    [
      'of spaces in Base64',
      `{"to":"a@example.com","attachments":[{"filename":"a","content":"${' '.repeat(3_000_000)}="}]}`,
    ],
    [
      'of a calendar without its method',
      `{"to":"a@example.com","calendar":{"method":"REQUEST","content":"${'METHOD:\\r\\n \\t'.repeat(300_000)}"}}`,
    ],
  ])('%s is refused, with an answer that is none', async (_title, payload) => {
    const { app } = openTestApp();
    const headers = { 'content-type': 'application/json' };
    const response = await app.inject({ method: 'POST', url: '/send', headers, payload });
    expect([400, 422]).toContain(response.statusCode);
    expect(response.body.length).toBeLessThan(100_000);
  });
});

describe('a ready mail that is endless', () => {
  const PIECES = [
    ' ',
    '<',
    '>',
    '(',
    '()',
    '( ',
    '"',
    '\\',
    ',',
    ';',
    ':',
    '@',
    '<a@b.c>',
    'x:;',
    '=?utf-8?q?a?= ',
    '=?',
    '\r\n ',
    'x',
  ];
  const LENGTH = 300_000;
  test('in its header is refused', () => {
    const header = `To: a@example.com\r\n${`X-A: ${'x'.repeat(70)}\r\n`.repeat(20_000)}`;
    const { errors } = readRawDraft({ bytes: Buffer.from(`${header}\r\nHello.\r\n`) }, headerValues);
    expect(errors.map(({ message }) => message)).toContain('The header is larger than 1048576 bytes.');
  });

  test.each(['From', 'To', 'Sender', 'Subject', 'Message-ID'])('in its %s is read in no time', (name) => {
    for (const piece of PIECES) {
      const field = `${name}: a@example.com ${piece.repeat(LENGTH / piece.length)}x`;
      const before = performance.now();
      readRawDraft({ bytes: Buffer.from(`${field}\r\n\r\n`) }, headerValues);
      // What is not linear takes minutes of it.
      expect([piece, performance.now() - before < 3_000]).toEqual([piece, true]);
    }
  });
});

describe('connections without end', () => {
  const open = (port: number, text: string): Promise<Socket> =>
    new Promise((resolve) => {
      const socket = connect(port, '127.0.0.1', () => socket.write(text, () => resolve(socket)));
      socket.on('error', () => undefined);
      onTestFinished(() => void socket.destroy());
    });

  test('that say nothing, or never come to an end, keep nobody else from being served, and are ended', async () => {
    const { port, url } = await listenTestApp({
      timeouts: { headersMs: 1_500, requestMs: 1_500, silenceMs: 1_500, checkMs: 100 },
    });
    const head = 'POST /send HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n';
    const texts = [
      '',
      'GET',
      head,
      `${head}Content-Length: 1000000\r\n\r\n{"to"`,
      `${head}Transfer-Encoding: chunked\r\n\r\n1\r\n`,
    ];
    const sockets = await Promise.all(Array.from({ length: 500 }, (_, n) => open(port, texts[n % texts.length] ?? '')));
    const ended = sockets.map((socket) => new Promise((resolve) => socket.resume().once('close', resolve)));
    const mail = {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: '{"to":"a@example.com","text":"x"}',
    };
    for (let n = 0; n < 10; n += 1) expect((await fetch(`${url}/send`, mail)).status).toBe(202);
    await Promise.all(ended);
  });
});

describe('large bodies that never come to an end', () => {
  const KEYS = [apiKey('hog', 'hog-secret'), apiKey('other', 'other-secret')];
  const LARGE = 100_000;
  const open = async () =>
    listenTestApp({
      keys: KEYS,
      receiving: { bytesMax: 4.2 * LARGE, bytesOfClientMax: 3.2 * LARGE, smallBytesMax: 1_000 },
    });
  const head = (secret: string, type: string, framing: string) =>
    `POST /send HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer ${secret}\r\n` +
    `Content-Type: ${type}\r\n${framing}\r\n\r\n`;
  const FORM = 'multipart/form-data; boundary=b';
  const begin = (port: number, bytes: string): Socket => {
    const socket = connect(port, '127.0.0.1', () => socket.write(bytes));
    socket.on('error', () => undefined);
    onTestFinished(() => void socket.destroy());
    return socket;
  };
  const post = async (url: string, secret: string, sizeBytes: number): Promise<number> => {
    const headers = { 'content-type': 'application/json', authorization: `Bearer ${secret}` };
    const body = JSON.stringify({ to: 'a@example.com', text: 'x'.repeat(sizeBytes) });
    const response = await fetch(`${url}/send`, { method: 'POST', headers, body });
    if (response.status === 503)
      expect(await response.json()).toMatchObject({ type: 'urn:relay365:problem:receiving-full' });
    return response.status;
  };
  const chunk = `${LARGE.toString(16)}\r\n${'x'.repeat(LARGE)}\r\n`;

  test.each([
    ['with their length', head('hog-secret', 'application/json', `Content-Length: ${LARGE}`)],
    ['of a form with its length', head('hog-secret', FORM, `Content-Length: ${LARGE}`)],
    ['in chunks', head('hog-secret', 'application/json', 'Transfer-Encoding: chunked') + chunk],
    ['of a ready mail in chunks', head('hog-secret', 'message/rfc822', 'Transfer-Encoding: chunked') + chunk],
    [
      'of a form in chunks',
      `${head('hog-secret', FORM, 'Transfer-Encoding: chunked')}34\r\n${PART}"text"\r\n\r\n\r\n${chunk}`,
    ],
  ])('%s leave room for other clients and for small mails, and give it back', async (_title, bytes) => {
    const { port, url } = await open();
    const sockets = [1, 2, 3].map(() => begin(port, bytes));
    await expect.poll(() => post(url, 'hog-secret', LARGE / 2)).toBe(503);
    expect(await post(url, 'other-secret', LARGE / 2)).toBe(202);
    expect(await post(url, 'hog-secret', 100)).toBe(202);
    for (const socket of sockets) socket.destroy();
    await expect.poll(() => post(url, 'hog-secret', LARGE / 2)).toBe(202);
  });

  test.each([
    ['JSON', head('hog-secret', 'application/json', 'Transfer-Encoding: chunked'), ''],
    ['a form', head('hog-secret', FORM, 'Transfer-Encoding: chunked'), `34\r\n${PART}"text"\r\n\r\n\r\n`],
  ])('of %s in chunks end where the room does', async (_title, start, first) => {
    const { port, url } = await open();
    begin(port, head('other-secret', 'application/json', `Content-Length: ${2 * LARGE}`));
    await expect.poll(() => post(url, 'other-secret', 3 * LARGE)).toBe(503);
    const grown = begin(port, start + first + chunk + chunk + chunk);
    const answer = new Promise<string>((resolve) => grown.once('data', (data) => resolve(data.toString())));
    expect(await answer).toMatch(/^HTTP\/1\.1 503 /);
    expect(await post(url, 'other-secret', 100)).toBe(202);
  });

  test('are let in alone, however large the mails are that a mailbox may send', async () => {
    const { url } = await open();
    expect(await post(url, 'hog-secret', 10 * LARGE)).toBe(202);
  });
});

describe("an attachment's name", () => {
  test.each([
    '../../etc/passwd',
    '/etc/passwd',
    'C:\\Windows\\win.ini',
    '..',
    '.',
    'a/../b',
    '\\\\server\\share',
    'a\0.txt',
    'a\r\nb',
    'invoice\u202efdp.exe',
    'a\u2066b\u2069.txt',
    'a\u2028b',
  ])('that is a path, or deceives, is refused: %j', async (filename) => {
    const { app } = openTestApp();
    const payload = { to: 'a@example.com', attachments: [{ filename, content: 'YQ==' }] };
    const response = await app.inject({ method: 'POST', url: '/send', payload });
    expect(response.json().errors.map(({ field }: { field: string }) => field)).toEqual(['attachments[0].filename']);
  });

  test.each(['../../etc/passwd', 'C:\\Windows\\win.ini'])(
    'in a form is the last part of its path: %j',
    async (name) => {
      const { app, queued } = openTestApp();
      const payload = `${TO}${PART}"attachments"; filename="${name}"\r\n\r\nx${END}`;
      const headers = { 'content-type': 'multipart/form-data; boundary=b' };
      const { statusCode } = await app.inject({ method: 'POST', url: '/send', headers, payload });
      expect(statusCode).toBe(202);
      expect(JSON.stringify(queued[0]?.content)).not.toMatch(/etc|Windows/);
    },
  );
});
