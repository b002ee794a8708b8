/** Who has Redis, its memory or its files, and no key: reads no body, changes none unseen, and harms one mail alone. */
import { randomBytes } from 'node:crypto';
import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { makeKeys } from '../../src/queue/redis/keys.ts';
import type { RedisClient } from '../../src/queue/redis/client.ts';
import { temporaryFile } from '../helpers/process.ts';
import { connectTo, startTestRedis, type TestRedis } from '../helpers/redis.ts';
import { isFinal, openTestService, type TestService } from '../helpers/service.ts';

let redis: TestRedis;
beforeAll(async () => {
  redis = await startTestRedis();
});
afterAll(() => redis.close());

const makeKey = (name: string): string => `${name}:${randomBytes(32).toString('base64')}`;
const open = (keys: string): Promise<TestService> =>
  openTestService({ location: redis.location, workers: 0, env: { BODY_KEYS: keys } });

const MARK = 'a-word-of-the-body';
const MAIL = {
  text: `${MARK}-text`,
  html: `<p>${MARK}-html</p>`,
  headers: { 'X-Mine': `${MARK}-header` },
  attachments: [{ filename: `${MARK}.txt`, content: Buffer.from(MARK.repeat(50)).toString('base64') }],
};

/** All that Redis has of an installation, and all that is on disk. */
async function everythingOf({ namespace }: TestService): Promise<string> {
  const client = connectTo(redis);
  const dumps = await Promise.all(
    (await client.keys(`*${namespace}*`)).map(
      async (key) => `${key} ${(await client.dumpBuffer(key))?.toString('latin1')}`,
    ),
  );
  const files = globSync('**/*.{aof,rdb}', { cwd: redis.dataDir });
  expect(files).not.toEqual([]);
  return [...dumps, ...files.map((file) => readFileSync(join(redis.dataDir, file), 'latin1'))].join('\n');
}

const TRACES = [MARK, Buffer.from(MARK.repeat(50)).toString('base64').slice(0, 60)];
const tracesIn = (text: string): string[] => TRACES.filter((trace) => text.includes(trace));

describe('an encrypted body', () => {
  test.each<[string, (service: TestService) => Promise<string>]>([
    ['as JSON', (service) => service.send(MAIL)],
    [
      'as a ready mail',
      async ({ request }) => {
        const mail = `To: someone@example.com\r\nSubject: Ready\r\n\r\n${MARK}\r\n`;
        return (await request('POST', '/send', mail, { 'content-type': 'message/rfc822' })).body.id;
      },
    ],
  ])('%s is nowhere in Redis nor on its disk, and arrives whole', async (_title, send) => {
    const service = await open(makeKey('k'));
    const id = await send(service);
    expect(tracesIn(await everythingOf(service))).toEqual([]);
    await service.addWorker();
    expect((await service.until(id, isFinal)).status).toBe('sent');
    expect(service.sandbox.exchange.messages[0]?.raw.toString()).toContain(MARK);
    expect(tracesIn(service.log.join('\n'))).toEqual([]);
  });

  test('without a key would be found so', async () => {
    const service = await openTestService({ location: redis.location, workers: 0 });
    await service.send(MAIL);
    expect(tracesIn(await everythingOf(service))).toEqual(TRACES);
  });

  test.each<[string, (key: string) => { readonly api: string; readonly worker: string }]>([
    ['of the old key is sent after a rotation', (key) => ({ api: key, worker: `${makeKey('new')},${key}` })],
    ['of the new key is sent by a worker that does not have it yet', (key) => ({ api: key, worker: `plain,${key}` })],
    ['in the clear is sent after the changeover', (key) => ({ api: '', worker: `${key},plain` })],
  ])('%s', async (_title, keysOf) => {
    const { api, worker } = keysOf(makeKey('k'));
    const service = await open(api);
    const id = await service.send(MAIL);
    await service.addWorker({ BODY_KEYS: worker });
    expect((await service.until(id, isFinal)).status).toBe('sent');
  });

  test('is sent by a key that stands in a file', async () => {
    const file = temporaryFile('body-keys', `${makeKey('k')}\n`);
    const service = await openTestService({ location: redis.location, env: { BODY_KEYS_FILE: file } });
    expect((await service.until(await service.send(MAIL), isFinal)).status).toBe('sent');
  });
});

type Tamper = (client: RedisClient, bodies: readonly [string, string]) => Promise<unknown>;

describe('a body in the hands of somebody else', () => {
  const key = makeKey('k');
  test.each<[string, Tamper, RegExp, string?]>([
    ['that took the place of another', (client, [one, two]) => client.copy(two, one, 'REPLACE'), /another message's/],
    ['that was changed', (client, [one]) => client.setrange(one, 40, 'evil'), /were changed/],
    ['that was cut short', (client, [one]) => client.set(one, 'aes:k:'), /were changed/],
    ['that was written in the clear', (client, [one]) => client.set(one, '{"text":"evil"}'), /not encrypted/],
    [
      'that was written as a ready mail',
      (client, [one]) => client.set(one, 'raw:Subject: evil\r\n\r\n'),
      /not encrypted/,
    ],
    ['of a key that is unknown', (client, [one]) => client.set(one, 'aes:evil:xxxx'), /the key evil, which is not in/],
  ])('%s fails its mail alone, and says why', async (_title, tamper, explanation) => {
    const service = await open(key);
    const ids = [await service.send({ subject: 'tampered' }), await service.send({ subject: 'other' })] as const;
    const keys = makeKeys(service.namespace);
    await tamper(connectTo(redis), [keys.body(ids[0]), keys.body(ids[1])]);
    await service.addWorker();
    const message = await service.until(ids[0], isFinal);
    expect(message).toMatchObject({ status: 'failed', recipients: [{ status: 'failed' }] });
    expect(message.attempts.at(-1).explanation).toMatch(explanation);
    expect((await service.until(ids[1], isFinal)).status).toBe('sent');
    expect(service.sandbox.exchange.messages.map(({ subject }) => subject)).toEqual(['other']);
  });

  test('is not sent to whoever changes the recipients', async () => {
    const service = await open(key);
    const id = await service.send();
    const [client, record] = [connectTo(redis), makeKeys(service.namespace).record(id)];
    const message = JSON.parse((await client.hget(record, 'message')) ?? '{}');
    const evil = { address: 'evil@example.com' };
    await client.hset(record, 'message', JSON.stringify({ ...message, to: [evil] }));
    await client.hset(record, 'recipients', JSON.stringify([{ ...evil, status: 'pending' }]));
    await service.addWorker();
    const { status, attempts } = await service.until(id, isFinal);
    expect([status, attempts.at(-1).explanation]).toEqual(['failed', expect.stringMatching(/recipients were changed/)]);
    expect(service.sandbox.exchange.messages).toEqual([]);
  });

  test('whose key was lost is sent when the key is back and somebody has it tried again', async () => {
    const service = await open(key);
    const id = await service.send();
    const without = await service.addWorker({ BODY_KEYS: makeKey('k') });
    expect(await service.until(id, isFinal)).toMatchObject({ status: 'failed' });
    await without.close();
    await service.addWorker();
    await service.request('POST', `/messages/${id}/retry`);
    expect((await service.until(id, ({ status }) => status === 'sent')).attempts).toHaveLength(2);
  });
});
