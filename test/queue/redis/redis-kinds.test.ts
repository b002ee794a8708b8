/** Redis as large installations run it: a Cluster, or a master with Sentinels. */
import { spawn } from 'node:child_process';
import { randomInt } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { Redis } from 'ioredis';
import { expect, onTestFinished, test } from 'vitest';
import { findServer } from '../../../src/queue/redis/embedded-redis.ts';
import type { RedisLocation } from '../../../src/queue/redis/client.ts';
import { temporaryFile, temporaryFolder } from '../../helpers/process.ts';
import { isFinal, openTestService } from '../../helpers/service.ts';

const PLAIN: RedisLocation = { url: '', sentinels: [], sentinelMaster: 'mymaster', clusterNodes: [] };

const BUS_OFFSET = 10_000;
/** Below those that a system takes for outgoing connections, of which the other tests have many; so is a node's bus. */
const PORT_MIN = 11_000;
const PORT_MAX = 20_000;

/** A port that is free, and the one at a fixed distance that a node of a Cluster takes for its bus. */
async function freePort(): Promise<number> {
  const port = randomInt(PORT_MIN, PORT_MAX);
  return (await isFree(port)) && (await isFree(port + BUS_OFFSET)) ? port : freePort();
}

async function isFree(port: number): Promise<boolean> {
  const server = createServer().listen(port, '127.0.0.1');
  const free = await once(server, 'listening').then(
    () => true,
    () => false,
  );
  server.close();
  return free;
}

/** A server on a port of its own until the test's end, with a connection to it. */
async function startServer(port: number, ...parameters: readonly string[]): Promise<Redis> {
  const program = await findServer(process.env['PATH'] ?? '');
  const child = spawn(program, [...parameters, '--port', String(port), '--bind', '127.0.0.1'], {
    cwd: temporaryFolder(),
    stdio: 'ignore',
  });
  const ended = once(child, 'close').then(([code]) => {
    throw new Error(`${program} ended with ${code}.`);
  });
  const client = new Redis({ port, retryStrategy: () => 50, maxRetriesPerRequest: null });
  client.on('error', () => undefined);
  onTestFinished(async () => {
    client.disconnect();
    child.kill('SIGKILL');
    await ended.catch(() => undefined);
  });
  await Promise.race([client.ping(), ended]);
  return client;
}

async function sendsMail(location: RedisLocation): Promise<void> {
  const { send, untilAll, request, sandbox } = await openTestService({ location, workers: 2 });
  const ids = await Promise.all(Array.from({ length: 12 }, (_, n) => send({ subject: `Mail ${n}` })));
  const messages = await untilAll(ids, isFinal);
  expect(messages.map(({ status }) => status)).toEqual(ids.map(() => 'sent'));
  expect(sandbox.exchange.messages).toHaveLength(12);
  expect((await request('GET', '/messages?status=sent')).body.items).toHaveLength(12);
  expect((await request('GET', '/mailboxes')).body.items).toMatchObject([
    { state: 'open', usage: { messagesPerMinute: { used: 12 } } },
  ]);
}

const SLOTS = 16_384;

test('sends mail with a Cluster of two nodes', async () => {
  const ports = [await freePort(), await freePort()] as const;
  const nodes = await Promise.all(ports.map((port) => startServer(port, '--cluster-enabled', 'yes')));
  await Promise.all(
    nodes.map((node, n) => {
      const slots = Array.from({ length: SLOTS / 2 }, (_, i) => (n * SLOTS) / 2 + i);
      return node.call('CLUSTER', 'ADDSLOTS', ...slots.map(String));
    }),
  );
  await nodes[0]?.call('CLUSTER', 'MEET', '127.0.0.1', String(ports[1]));
  for (const node of nodes) {
    while (!/cluster_state:ok.*cluster_known_nodes:2/s.test(String(await node.call('CLUSTER', 'INFO'))))
      await new Promise((resolve) => setTimeout(resolve, 50));
  }
  await sendsMail({ ...PLAIN, url: `redis://127.0.0.1:${ports[0]}`, clusterNodes: [`127.0.0.1:${ports[1]}`] });
});

test('sends mail with Sentinels', async () => {
  const [port, sentinelPort] = [await freePort(), await freePort()];
  await startServer(port);
  const file = temporaryFile('sentinel.conf', `sentinel monitor mymaster 127.0.0.1 ${port} 1\n`);
  await startServer(sentinelPort, file, '--sentinel');
  await sendsMail({ ...PLAIN, url: 'redis://mymaster', sentinels: [`127.0.0.1:${sentinelPort}`] });
});
