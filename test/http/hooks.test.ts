import { connect } from 'node:net';
import { describe, expect, test } from 'vitest';
import type { EnqueueOutcome } from '../../src/core/submit/outbox.ts';
import { listenTestApp, openTestApp, talk } from '../helpers/app.ts';

const BODY = '{"to":"a@example.com","text":"x"}';
const POST = `POST /send HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: ${BODY.length}\r\n\r\n`;

/** A queue that answers on demand. */
function latchedQueue() {
  const begun = Promise.withResolvers<void>();
  const end = Promise.withResolvers<EnqueueOutcome>();
  const enqueue = (): Promise<EnqueueOutcome> => {
    begun.resolve();
    return end.promise;
  };
  return { enqueue, begun: begun.promise, finish: () => end.resolve({ kind: 'queued', estimatedAt: new Date() }) };
}

/** A connection, and all that came on it once it is closed. */
function open(port: number): { readonly socket: ReturnType<typeof connect>; readonly received: Promise<string> } {
  const socket = connect(port, '127.0.0.1');
  const chunks: Buffer[] = [];
  socket.on('data', (chunk) => chunks.push(chunk));
  socket.on('error', () => undefined);
  const received = new Promise<string>((resolve) =>
    socket.on('close', () => resolve(Buffer.concat(chunks).toString())),
  );
  return { socket, received };
}

describe('an app that closes', () => {
  test('answers requests in progress', async () => {
    const queue = latchedQueue();
    const { app, port } = await listenTestApp(queue);
    const { socket, received } = open(port);
    socket.write(POST + BODY);
    await queue.begun;
    const closed = app.close();
    queue.finish();
    await closed;
    expect(await received).toMatch(/^HTTP\/1.1 202 /);
  });

  test('answers 503 to later requests and closes the connection', async () => {
    const queue = latchedQueue();
    const { app, port } = await listenTestApp(queue);
    const { socket, received } = open(port);
    const [head, rest] = [POST.slice(0, 10), POST.slice(10)];
    socket.write(POST + BODY + head);
    await queue.begun;
    const closed = app.close();
    socket.write(rest + BODY);
    queue.finish();
    await closed;
    const [, first, second] = (await received).split('HTTP/1.1 ');
    expect(first).toMatch(/^202 /);
    expect(second).toMatch(/^503 /);
    expect(second).toMatch(/retry-after: 5\r\n/i);
    expect(second).toMatch(/connection: close\r\n/i);
    expect(second).toContain('urn:relay365:problem:stopping');
    expect(second).toMatch(/x-request-id: /i);
  });

  test('cuts off a client that does not finish its request', async () => {
    const { app, port } = await listenTestApp({ timeouts: { closeMs: 50 } });
    const { socket, received } = open(port);
    const begun = new Promise<void>((resolve) => app.server.once('request', () => resolve()));
    socket.write(POST);
    await begun;
    await app.close();
    expect(await received).toBe('');
  });

  test('can be closed twice', async () => {
    const { app } = await listenTestApp();
    await app.close();
    await app.close();
  });
});

describe('a method that a URL does not support', () => {
  test.each([
    ['GET', '/send', 'POST'],
    ['PUT', '/send', 'POST'],
    ['OPTIONS', '/send', 'POST'],
    ['POST', '/messages/x', 'GET, HEAD, DELETE'],
    ['GET', '/send/batch', 'POST'],
    ['POST', '/health/ready', 'GET, HEAD'],
    ['DELETE', '/sandbox/messages', 'GET, HEAD'],
    ['POST', '/openapi.json', 'GET, HEAD'],
    ['POST', '/docs', 'GET, HEAD'],
    ['DELETE', '/docs/static/swagger-ui.css', 'GET, HEAD'],
  ] as const)('%s %s is answered with 405 and Allow: %s', async (method, url, allow) => {
    const { app } = openTestApp();
    const response = await app.inject({ method, url });
    expect([response.statusCode, response.headers.allow]).toEqual([405, allow]);
  });
});

describe('X-Request-Id', () => {
  test.each([
    ['a safe one is kept', 'Ab_c-1.2', 'Ab_c-1.2'],
    ['64 characters are kept', 'x'.repeat(64), 'x'.repeat(64)],
    ['a longer one is replaced', 'x'.repeat(65), undefined],
    ['an empty one is replaced', '', undefined],
    ['one with a space is replaced', 'a b', undefined],
    ['one with quotes is replaced', 'a"b', undefined],
    ['a missing one is created', undefined, undefined],
  ])('%s', async (_title, given, kept) => {
    const { app } = openTestApp();
    const response = await app.inject({
      url: '/health/live',
      headers: given === undefined ? {} : { 'x-request-id': given },
    });
    expect(response.headers['x-request-id']).toEqual(kept ?? expect.stringMatching(/^[\da-f-]{36}$/));
  });

  test.each(['/health/live', '/docs', '/docs/static/swagger-ui.css', '/openapi.json', '/nowhere'])(
    'is on %s',
    async (url) => {
      const { app } = openTestApp();
      expect((await app.inject(url)).headers['x-request-id']).toBeDefined();
    },
  );

  test('is on answers that Node would give by itself', async () => {
    const { port } = await listenTestApp();
    const close = 'Connection: close\r\n\r\n';
    const answers = await Promise.all([
      talk(port, `GET /health/live HTTP/1.1\r\n${close}`),
      talk(port, `GET /health/live HTTP/1.1\r\nHost: localhost\r\nExpect: nonsense\r\n${close}`),
      talk(port, `PROPFIND /send HTTP/1.1\r\nHost: localhost\r\n${close}`),
      talk(port, `BREW /send HTTP/1.1\r\nHost: localhost\r\n${close}`),
      talk(port, 'nonsense\r\n\r\n'),
    ]);
    expect(answers.map((answer) => answer.split(' ')[1])).toEqual(['400', '200', '404', '400', '400']);
    for (const answer of answers) expect(answer).toMatch(/x-request-id: [\da-f-]{36}\r\n/i);
  });
});
