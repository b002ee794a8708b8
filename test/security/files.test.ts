/**
 * nodemailer can read files and fetch URLs. No field does: neither as a request has it, nor as somebody
 * who writes to Redis would have it.
 */
import { createServer } from 'node:http';
import { once } from 'node:events';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { makeKeys } from '../../src/queue/redis/keys.ts';
import { temporaryFile } from '../helpers/process.ts';
import { connectTo, startTestRedis, type TestRedis } from '../helpers/redis.ts';
import { isFinal, openTestService } from '../helpers/service.ts';

let redis: TestRedis;
beforeAll(async () => {
  redis = await startTestRedis();
});
afterAll(() => redis.close());

const SECRET = 'a-secret-in-a-file-or-behind-a-firewall';

/** A server that a mail must not reach, and how often it was asked. */
async function openInnerServer(): Promise<{ readonly url: string; readonly requests: () => number }> {
  let requests = 0;
  const server = createServer((_request, response) => {
    requests += 1;
    response.end(SECRET);
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => void server.close());
  return { url: `http://127.0.0.1:${(server.address() as { port: number }).port}/`, requests: () => requests };
}

type Lure = { readonly path: string } | { readonly href: string } | { readonly raw: string };

describe('a request that names a file or a URL', () => {
  test.each<[string, (lure: Lure) => object]>([
    ['as an attachment', (lure) => ({ attachments: [{ filename: 'a', ...lure }] })],
    ['beside the content', (lure) => ({ attachments: [{ filename: 'a', content: 'YQ==', ...lure }] })],
    ['as the content', (lure) => ({ attachments: [{ filename: 'a', content: lure }] })],
    ['as the text', (lure) => ({ text: lure })],
    ['as the html', (lure) => ({ html: lure })],
    ['as the calendar', (lure) => ({ calendar: { method: 'REQUEST', content: lure } })],
    ['as a header', (lure) => ({ headers: { 'X-A': lure } })],
    ['as the whole message', (lure) => ({ ...lure })],
    ['as alternatives', (lure) => ({ alternatives: [lure] })],
  ])('%s is refused', async (_title, mailOf) => {
    const service = await openTestService({ location: redis.location });
    const file = temporaryFile('secret.txt', SECRET);
    const server = await openInnerServer();
    for (const lure of [{ path: file }, { path: server.url }, { href: server.url }, { raw: SECRET }]) {
      const mail = { to: 'someone@example.com', text: 'Hello.', ...mailOf(lure) };
      expect((await service.request('POST', '/send', mail)).status).toBe(422);
    }
    expect(server.requests()).toBe(0);
  });

  test('in its html is sent as it stands: nobody follows it', async () => {
    const service = await openTestService({ location: redis.location });
    const file = temporaryFile('secret.txt', SECRET);
    const server = await openInnerServer();
    const html = `<img src="${server.url}"><img src="file://${file}"><img src="${file}"><link href="${server.url}">`;
    const id = await service.send({ html, text: `${server.url} ${file}` });
    expect((await service.until(id, isFinal)).status).toBe('sent');
    expect(service.sandbox.exchange.messages[0]?.raw.toString()).not.toContain(SECRET);
    expect(server.requests()).toBe(0);
  });
});

describe('a body in Redis that names a file or a URL', () => {
  test.each<[string, (lure: Lure) => object]>([
    ['as an attachment', (lure) => ({ attachments: [{ filename: 'a', ...lure }] })],
    ['as the content', (lure) => ({ attachments: [{ filename: 'a', content: lure }] })],
    ['as the text', (lure) => ({ text: lure })],
    ['as the html', (lure) => ({ html: lure })],
    ['as the calendar', (lure) => ({ calendar: { method: 'REQUEST', content: lure } })],
  ])('%s gives none of it away', async (_title, contentOf) => {
    const service = await openTestService({ location: redis.location, workers: 0 });
    const file = temporaryFile('secret.txt', SECRET);
    const server = await openInnerServer();
    const ids = await Promise.all([1, 2, 3].map(() => service.send()));
    const lures = [{ path: file }, { path: server.url }, { href: server.url }];
    const keys = makeKeys(service.namespace);
    const content = { replyTo: [], headers: {}, attachments: [] };
    for (const [i, id] of ids.entries()) {
      const body = JSON.stringify({ ...content, ...contentOf(lures[i] as Lure) });
      await connectTo(redis).set(keys.body(id), body);
    }
    await service.addWorker();
    for (const id of ids) await service.until(id, isFinal);
    for (const { raw } of service.sandbox.exchange.messages) {
      expect(raw.toString()).not.toContain(SECRET);
      expect(raw.toString()).not.toContain(Buffer.from(SECRET).toString('base64').slice(0, 40));
    }
    expect(server.requests()).toBe(0);
    expect((await service.until(await service.send(), isFinal)).status).toBe('sent');
  });
});
