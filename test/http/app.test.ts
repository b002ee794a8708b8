import { connect } from 'node:net';
import { describe, expect, test } from 'vitest';
import { listenTestApp, openTestApp, talk } from '../helpers/app.ts';

const QUICK = { headersMs: 100, requestMs: 300, checkMs: 20 };
const POST = 'POST /send HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n';

/** The head and the problem of an answer as it came. */
function read(answer: string): { readonly head: string; readonly problem: { readonly type: string } } {
  const [head = '', body = ''] = answer.split('\r\n\r\n');
  return { head, problem: JSON.parse(body) };
}

describe('a client that misbehaves', () => {
  test.each([
    ['is slow with its headers', [`${POST}X-Slow: `], 408, 'request-timeout'],
    ['is slow with its body', [`${POST}Content-Length: 100\r\n\r\n{"to"`], 408, 'request-timeout'],
    [
      'sends a body of two lengths',
      [`${POST}Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}`],
      400,
      'malformed-request',
    ],
    ['smuggles', [`${POST}Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n{}`], 400, 'malformed-request'],
    ['sends a length twice', [`${POST}Content-Length: 2\r\nContent-Length: 2\r\n\r\n{}`], 400, 'malformed-request'],
    ['sends a list of lengths', [`${POST}Content-Length: 2, 2\r\n\r\n{}`], 400, 'malformed-request'],
    ['sends a length with a sign', [`${POST}Content-Length: +2\r\n\r\n{}`], 400, 'malformed-request'],
    ['sends another coding', [`${POST}Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n`], 400, 'malformed-request'],
    [
      'sends a coding twice',
      [`${POST}Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n`],
      400,
      'malformed-request',
    ],
    ['sends a blank before a colon', [`${POST}Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n`], 400, 'malformed-request'],
    ['folds a header', [`${POST}X-A: b\r\n c\r\n\r\n`], 400, 'malformed-request'],
    [
      'ends a chunk by a line feed',
      [`${POST}Transfer-Encoding: chunked\r\n\r\n2\n{}\r\n0\r\n\r\n`],
      400,
      'malformed-request',
    ],
    ['hides headers among many', [`${POST}${'a:b\r\n'.repeat(4_000)}\r\n`], 431, 'headers-too-large'],
    [
      'asks for a file above the documentation',
      ['GET /docs/static/%2e%2e/%2e%2e/package.json HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n'],
      404,
      'not-found',
    ],
    ['sends a broken chunk', [`${POST}Transfer-Encoding: chunked\r\n\r\nzz\r\n`], 400, 'malformed-request'],
    ['sends a header with a bare line feed', [`${POST}X-A: b\nX-C: d\r\n\r\n`], 400, 'malformed-request'],
    ['sends too many headers', [`${POST}X-A: ${'a'.repeat(20_000)}\r\n\r\n`], 431, 'headers-too-large'],
    ['speaks TLS', [Buffer.from('16030100a5010000a10303', 'hex')], 400, 'malformed-request'],
    ['speaks HTTP/2', ['PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'], 400, 'malformed-request'],
    ['speaks SMTP', ['EHLO client.example\r\n'], 400, 'malformed-request'],
  ])('that %s gets %3$s', async (_title, chunks, status, code) => {
    const { port, queued } = await listenTestApp({ timeouts: QUICK });
    const { head, problem } = read(await talk(port, ...chunks));
    expect(head).toMatch(new RegExp(`^HTTP/1.1 ${status} `));
    expect(head).toMatch(/x-request-id: [\da-f-]{36}/i);
    expect(head).toMatch(/content-type: application\/problem\+json/i);
    expect(problem.type).toBe(`urn:relay365:problem:${code}`);
    expect(queued).toHaveLength(0);
  });

  test('that sends a byte at a time is cut off when the time for the request is over', async () => {
    const { port } = await listenTestApp({ timeouts: QUICK });
    const socket = connect(port, '127.0.0.1');
    socket.write(`${POST}Content-Length: 100000\r\n\r\n`);
    const drip = setInterval(() => socket.write(' '), 10);
    const [chunk] = await Promise.all([first(socket), ended(socket)]).finally(() => clearInterval(drip));
    expect(chunk).toContain('HTTP/1.1 408 ');
  });

  test('that sends nothing is cut off', async () => {
    const { port } = await listenTestApp({ timeouts: { ...QUICK, silenceMs: 100 } });
    await ended(connect(port, '127.0.0.1'));
  });

  test('that disconnects in the middle of its body does no harm', async () => {
    const { port, url, queued, log } = await listenTestApp();
    const socket = connect(port, '127.0.0.1');
    await new Promise<void>((resolve) => socket.write(`${POST}Content-Length: 100\r\n\r\n{"to"`, () => resolve()));
    socket.resetAndDestroy();
    expect((await fetch(`${url}/health/live`)).status).toBe(200);
    expect(queued).toHaveLength(0);
    expect(log.join('')).not.toContain('"level":50');
  });
});

describe('an unknown URL', () => {
  test('with a trailing slash is answered with the right one', async () => {
    const { app } = openTestApp();
    const response = await app.inject({
      method: 'POST',
      url: '/send/?dryRun=true',
      payload: { to: 'a@example.com', text: 'x' },
    });
    expect([response.statusCode, response.json().detail]).toEqual([
      404,
      'Did you mean /send, without the trailing slash?',
    ]);
    expect((await app.inject('/nowhere/')).json().detail).toBe('See /docs for all URLs.');
  });
});

describe('a body that is too large', () => {
  test.each([
    ['with its length', 'http'],
    ['in chunks', 'stream'],
  ])('%s is answered 413, and the client reads it', async (_title, kind) => {
    const { url } = await listenTestApp();
    const body = Buffer.alloc(60 * 1024 ** 2, ' ');
    const request = kind === 'http' ? { body } : { body: new Blob([body]).stream(), duplex: 'half' as const };
    const response = await fetch(`${url}/send`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      ...request,
    });
    expect(response.status).toBe(413);
    expect(await response.json()).toMatchObject({
      type: 'urn:relay365:problem:body-too-large',
      sizeBytesMax: 56_098_816,
    });
  });
});

function first(socket: ReturnType<typeof connect>): Promise<string> {
  return new Promise((resolve) => socket.once('data', (chunk) => resolve(chunk.toString())));
}

function ended(socket: ReturnType<typeof connect>): Promise<void> {
  socket.on('error', () => undefined);
  socket.resume();
  return new Promise((resolve) => socket.once('close', () => resolve()));
}
