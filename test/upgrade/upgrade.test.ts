/**
 * An upgrade: today's processes start on what an older version left in Redis, with messages in every state.
 * make-dump.ts makes the dumps, and says how to add one.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Redis } from 'ioredis';
import { expect, onTestFinished, test, vi } from 'vitest';
import { NAMESPACE } from '../../src/queue/redis/keys.ts';
import type { Sandbox } from '../../src/sandbox/sandbox.ts';
import { startProcess, temporaryFile, type TestProcess } from '../helpers/process.ts';
import { startTestRedis } from '../helpers/redis.ts';
import { client, openTestSandbox, sandboxEnv, type TestService } from '../helpers/service.ts';
import { decodeDump, type Dump, type DumpedMessage, loadDump } from './dump.ts';

const FOLDER = join(import.meta.dirname, 'dumps');
const PAGE = 10;

type Api = Pick<TestService, 'request'>;

interface Upgraded extends Api {
  readonly sandbox: Sandbox;
  /** Moves a text of the dump's time to now. */
  readonly move: (text: string) => string;
  startWorker(): Promise<TestProcess>;
}

/** Today's API on the Redis of the dump, which no worker has seen yet. */
async function upgrade(dump: Dump): Promise<Upgraded> {
  const server = await startTestRedis();
  onTestFinished(server.close);
  const redis = new Redis({ path: decodeURIComponent(new URL(server.location.url).pathname) });
  const move = await loadDump(redis, dump);
  redis.disconnect();
  const sandbox = await openTestSandbox();
  for (const { id } of dump.mailboxes) sandbox.exchange.addMailbox({ address: id });
  const env = {
    ...dump.env,
    ...sandboxEnv(sandbox),
    CONFIG_FILE: temporaryFile('relay365.yaml', dump.yaml),
    NODE_EXTRA_CA_CERTS: temporaryFile('ca.pem', sandbox.caCertificate),
    REDIS_URL: server.location.url,
  };
  const api = startProcess('src/api.ts', env);
  const url = /http:\/\/[\d.]+:\d+/.exec(await api.line(/API ready/))?.[0] ?? '';
  // As src/worker.ts, except that a dead worker keeps its job for 2 s and not for 15 s.
  const timings = { checkMs: 500, lockMs: 2_000, stalledCheckMs: 500 };
  const workerEnv = { ...env, TEST_NAMESPACE: NAMESPACE, TEST_TIMINGS: JSON.stringify(timings) };
  const startWorker = async () => {
    const worker = startProcess('test/helpers/worker-process.ts', workerEnv);
    await worker.line(/worker ready/);
    return worker;
  };
  return { ...client({ url, key: dump.apiKeys.operator }), sandbox, move, startWorker };
}

/** The ids that a list has on all its pages. */
async function list({ request }: Api, headers: Record<string, string>, query = ''): Promise<string[]> {
  const ids: string[] = [];
  for (let cursor = ''; ; ) {
    const path = `/messages?limit=${PAGE}${query}${cursor && `&cursor=${cursor}`}`;
    const { body } = await request('GET', path, undefined, headers);
    ids.push(...body.items.map(({ id }: { id: string }) => id));
    if (body.nextCursor === undefined) return ids.sort();
    cursor = body.nextCursor;
  }
}

const idsOf = (messages: readonly DumpedMessage[]): string[] => messages.map(({ answer }) => answer.id).sort();

/** All that the old version knew is known, and a repeated request is known as one. */
async function checkMemory(api: Upgraded, dump: Dump): Promise<void> {
  const { messages, requests, apiKeys, pausedMailbox } = dump;
  const asShop = { authorization: `Bearer ${apiKeys.shop}` };
  for (const headers of [{}, asShop]) expect(await list(api, headers)).toEqual(idsOf(messages));
  const paused = messages.filter(({ answer }) => answer.mailbox === pausedMailbox);
  expect(await list(api, {}, `&mailbox=${pausedMailbox}`)).toEqual(idsOf(paused));
  await checkMailboxes(api, dump);
  const unfinished = messages.filter(({ goesOn }) => goesOn !== 'over').length;
  expect((await api.request('GET', '/metrics')).body).toContain(`\nrelay365_unfinished_messages ${unfinished}\n`);
  for (const { path, key, body, ids } of requests) {
    const again = await api.request('POST', path, body, { ...asShop, 'idempotency-key': key });
    expect([again.status, again.headers.get('idempotent-replayed')]).toEqual([202, 'true']);
    expect((again.body.results ?? [again.body]).map(({ id }: { id: string }) => id)).toEqual(ids);
  }
}

async function checkMailboxes({ request }: Api, { messages, mailboxes, pausedMailbox }: Dump): Promise<void> {
  const { items } = (await request('GET', '/mailboxes')).body;
  for (const { id, recipientsPerDay } of mailboxes) {
    const usage = expect.objectContaining({ recipientsPerDay: expect.objectContaining({ used: recipientsPerDay }) });
    const state = id === pausedMailbox && { state: 'paused' };
    expect(items).toContainEqual(expect.objectContaining({ id, usage, ...state }));
  }
  for (const { answer, goesOn } of messages) {
    if (goesOn !== 'with its mailbox') continue;
    const queue = { waiting: 1, delayed: 0, underWay: 0 };
    expect(items).toContainEqual(expect.objectContaining({ id: answer.mailbox, state: 'held', queue }));
  }
}

async function checkFinished({ request, move }: Upgraded, messages: readonly DumpedMessage[]): Promise<void> {
  for (const { answer, title } of messages) {
    const { body } = await request('GET', `/messages/${answer.id}`);
    expect(body, title).toMatchObject(JSON.parse(move(JSON.stringify(answer))));
    const { body: found } = await request('GET', `/messages?status=${answer.status}&limit=100`);
    expect(found.items, title).toContainEqual(expect.objectContaining({ id: answer.id }));
  }
}

/** After this long it says which messages have another status. */
const STATUS_MS = 15_000;

async function until(status: string, { request }: Api, messages: readonly DumpedMessage[]): Promise<void> {
  const statusOf = async ({ answer, title }: DumpedMessage) =>
    [title, (await request('GET', `/messages/${answer.id}`)).body.status] as const;
  await vi.waitFor(
    async () => {
      const statuses = await Promise.all(messages.map(statusOf));
      expect(Object.fromEntries(statuses)).toEqual(Object.fromEntries(messages.map(({ title }) => [title, status])));
    },
    { timeout: STATUS_MS, interval: 100 },
  );
}

/** What Exchange took of a message since the upgrade, and what the API says of it. */
async function checkSent(
  { request, sandbox }: Upgraded,
  { answer, takenBefore, holds, title }: DumpedMessage,
): Promise<void> {
  const taken = sandbox.exchange.messages.filter(({ messageId }) => messageId === answer.messageId);
  expect(taken, title).toHaveLength(1);
  const waiting = answer.recipients.filter(({ status }) => status === 'pending').map(({ address }) => address);
  expect(taken[0]?.recipients, title).toEqual(waiting);
  for (const part of holds) expect(taken[0]?.raw.toString(), title).toContain(part);
  const { attempts, mailbox } = (await request('GET', `/messages/${answer.id}`)).body;
  expect(attempts.slice(0, answer.attempts.length), title).toMatchObject(answer.attempts);
  expect(attempts.at(-1), title).toMatchObject({ outcome: 'sent' });
  if (takenBefore === 0 || waiting.length < answer.recipients.length) return;
  // Exchange has it twice: only where the record says why, and only as the same message of the same mailbox.
  expect(attempts, title).toContainEqual(expect.objectContaining({ outcome: 'unknown' }));
  expect([mailbox, taken[0]?.mailbox], title).toEqual([answer.mailbox, answer.mailbox]);
}

/** Nothing is left that could still be sent, and the counts of what waits have come out even. */
async function checkEmpty({ request }: Api): Promise<void> {
  const { items, pools } = (await request('GET', '/mailboxes')).body;
  for (const { queue } of [...items, ...pools]) expect(queue).toEqual({ waiting: 0, delayed: 0, underWay: 0 });
  const metrics: string = (await request('GET', '/metrics')).body;
  expect(metrics).toMatch(/^relay365_unfinished_messages 0$/m);
  expect(metrics).toMatch(/^relay365_unfinished_bytes 0$/m);
}

test.each(readdirSync(FOLDER))('what %s has in Redis goes on: nothing is lost, nothing is doubled', async (file) => {
  const dump = decodeDump(readFileSync(join(FOLDER, file), 'utf8'));
  const upgraded = await upgrade(dump);
  const { request, sandbox } = upgraded;
  const those = (goesOn: DumpedMessage['goesOn']) => dump.messages.filter((message) => message.goesOn === goesOn);
  const byItself = those('by itself');
  const paused = those('after resume');
  const forRetry = those('after retry');
  const over = those('over');
  await checkMemory(upgraded, dump);
  await checkFinished(upgraded, over);

  const worker = await upgraded.startWorker();
  await until('sent', upgraded, byItself);
  await until('expired', upgraded, those('to its end'));
  expect(sandbox.exchange.messages.filter(({ mailbox }) => mailbox === dump.pausedMailbox)).toEqual([]);
  for (const { answer } of [...paused, ...forRetry])
    expect((await request('GET', `/messages/${answer.id}`)).body.status).toBe(answer.status);

  await request('POST', `/mailboxes/${dump.pausedMailbox}/resume`);
  for (const { answer } of forRetry) await request('POST', `/messages/${answer.id}/retry`);
  await until('sent', upgraded, [...paused, ...forRetry]);

  const waited = [...byItself, ...paused, ...forRetry];
  for (const message of waited) await checkSent(upgraded, message);
  expect(sandbox.exchange.messages).toHaveLength(waited.length);
  await checkFinished(upgraded, over);
  for (const { answer } of those('with its mailbox')) await request('DELETE', `/messages/${answer.id}`);
  await checkEmpty(upgraded);
  const errors = worker.lines.filter((line) => /"level":"(?:error|fatal)"/.test(line));
  expect(errors.map((line) => JSON.parse(line).id)).toEqual(idsOf(those('to its end')));
});
