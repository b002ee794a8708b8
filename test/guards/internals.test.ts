/**
 * relay365 uses some internals of three libraries (docs/dependencies.md). Their versions are pinned exactly, and these
 * tests fail when a new version moves or changes what is used.
 */
import { randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Queue, Worker } from 'bullmq';
import SmtpClient from 'nodemailer/lib/smtp-connection';
import { SMTPServer } from 'smtp-server';
import { SMTPConnection } from 'smtp-server/lib/smtp-connection.js';
import { expect, onTestFinished, test } from 'vitest';
import { ROOT } from '../helpers/process.ts';
import { connectTo, startTestRedis } from '../helpers/redis.ts';

const read = (file: string): string => readFileSync(join(ROOT, file), 'utf8');

test.each(['bullmq', 'nodemailer', 'smtp-server'])('%s is pinned to the version whose internals are used', (name) => {
  const { dependencies } = JSON.parse(read('package.json'));
  const { version } = JSON.parse(read(`node_modules/${name}/package.json`));
  expect(dependencies[name]).toBe(version);
  expect(read('docs/dependencies.md')).toContain(`### ${name} ${version}`);
});

test('smtp-server has the methods that the submission server overrides', () => {
  const methods = [
    ['init', 0],
    ['send', 3],
    ['connectionReady', 1],
    ['_setListeners', 1],
    ['_parseAddressCommand', 2],
    ['_onTimeout', 0],
    ['_onClose', 0],
    ['handler_EHLO', 2],
    ['handler_HELO', 2],
  ] as const;
  const found = methods.map(([name]) => [name, (SMTPConnection.prototype as unknown as Methods)[name]?.length]);
  expect(found).toEqual(methods.map((method) => [...method]));
});

type Methods = Readonly<Record<string, ((...args: readonly unknown[]) => unknown) | undefined>>;

test('smtp-server keeps the socket and the state of a connection where they are read', () => {
  const server = new SMTPServer({ secure: false, logger: false });
  const socket = { remoteAddress: '127.0.0.1', remotePort: 1, localAddress: '127.0.0.1', localPort: 2, server: {} };
  const connection = new SMTPConnection(server, socket as never) as unknown as Record<string, unknown>;
  expect(connection['_socket']).toBe(socket);
  expect(connection['needsUpgrade']).toBe(false);
  expect(connection['_closing']).toBe(false);
});

test('nodemailer keeps the socket and the extensions of EHLO where they are read', () => {
  const client = new SmtpClient({ host: 'localhost' }) as unknown as Record<string, unknown>;
  expect(client['_socket']).toBe(false);
  expect(client['_supportedExtensions']).toEqual([]);
  expect(client['destroyed']).toBe(false);
});

test('BullMQ makes jobs by createJob, delays them by its backend and keeps them where our scripts look', async () => {
  const redis = await startTestRedis();
  onTestFinished(() => redis.close());
  const connection = connectTo(redis);
  const prefix = `{test-${randomUUID()}}`;
  const queue = new Queue('q', { connection, prefix });
  onTestFinished(() => queue.close());
  const { backend } = queue as unknown as { readonly backend: Methods };
  // The token and the options have defaults, so they do not count.
  expect(backend['moveToDelayed']?.length).toBe(3);
  expect((Worker.prototype as unknown as Methods)['createJob']?.length).toBe(2);
  await queue.add('send', { recipients: 1 }, { jobId: 'waiting', priority: 10 });
  await queue.add('send', { recipients: 1 }, { jobId: 'later', delay: 60_000, priority: 10 });
  const score = Number(await connection.zscore(`${prefix}:q:prioritized`, 'waiting'));
  expect(Math.floor(score / 2 ** 32)).toBe(10);
  expect(await connection.zrange(`${prefix}:q:delayed`, 0, '-1')).toEqual(['later']);
  expect(await connection.hmget(`${prefix}:q:waiting`, 'name', 'data')).toEqual(['send', '{"recipients":1}']);
});
