/** Processes that are stopped while they are busy: their messages are finished or returned to the queue, once and at once. */
import { setTimeout as delay } from 'node:timers/promises';
import { Queue } from 'bullmq';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { makeKeys, NAMESPACE } from '../../src/queue/redis/keys.ts';
import type { Sandbox } from '../../src/sandbox/sandbox.ts';
import { startProcess, temporaryFile, type TestProcess } from '../helpers/process.ts';
import { connectTo, startTestRedis, type TestRedis } from '../helpers/redis.ts';
import { client, isFinal, openTestSandbox, sandboxEnv } from '../helpers/service.ts';

let redis: TestRedis;
beforeAll(async () => {
  redis = await startTestRedis();
});
afterAll(() => redis.close());

const UNLIMITED = { limits: { messagesPerMinute: 0 } };

function environmentOf(sandbox: Sandbox): Record<string, string> {
  const ca = temporaryFile('ca.pem', sandbox.caCertificate);
  const env = { REDIS_URL: redis.location.url, NODE_EXTRA_CA_CERTS: ca, M365_MESSAGES_PER_MINUTE: '0' };
  return { ...sandboxEnv(sandbox), ...env };
}

async function startApi(env: Readonly<Record<string, string>>) {
  const process = startProcess('src/api.ts', env);
  const url = /http:\/\/[\d.]+:\d+/.exec(await process.line(/API ready/))?.[0] ?? '';
  return { process, ...client({ url }) };
}

async function startWorker(env: Readonly<Record<string, string>>): Promise<TestProcess> {
  const worker = startProcess('src/worker.ts', env);
  await worker.line(/worker ready/);
  return worker;
}

const byMessageId = (sandbox: Sandbox) => Map.groupBy(sandbox.exchange.messages, ({ messageId }) => messageId);

describe('a worker that is stopped', () => {
  test('hands a mail that it cannot finish in time back at once, and not when its lock ends', async () => {
    const sandbox = await openTestSandbox();
    const env = { ...environmentOf(sandbox), SHUTDOWN_TIMEOUT_SECONDS: '0.5', RETRY_DELAYS_SECONDS: '3600' };
    const { send, until, request } = await startApi(env);
    const worker = await startWorker(env);
    sandbox.exchange.script({ stage: 'data', delayMs: Number.POSITIVE_INFINITY });
    const id = await send();
    await until(id, ({ status }) => status === 'sending');
    expect(await worker.end()).toBe(0);
    const { body } = await request('GET', `/messages/${id}`);
    expect(body).toMatchObject({ status: 'deferred', attempts: [{ outcome: 'deferred' }] });
    const queue = new Queue(sandbox.mailbox.address, {
      connection: connectTo(redis),
      prefix: makeKeys(NAMESPACE).prefix,
    });
    expect(await queue.getJobCounts('active', 'delayed')).toEqual({ active: 0, delayed: 1 });
    await request('DELETE', `/messages/${id}`);
  });
});

describe('a rolling restart under load', () => {
  test('loses nothing and doubles nothing', async () => {
    const sandbox = await openTestSandbox(UNLIMITED);
    const env = environmentOf(sandbox);
    const [first, second] = [await startApi(env), await startApi(env)];
    const workers = [await startWorker(env), await startWorker(env)];
    sandbox.exchange.script({ stage: 'end', delayMs: 30, times: Number.POSITIVE_INFINITY });
    const load = startLoad([first, second]);
    for (const worker of workers) {
      await load.untilMore(10);
      expect(await worker.end()).toBe(0);
      await startWorker(env);
    }
    await load.untilMore(10);
    expect(await first.process.end()).toBe(0);
    await load.untilMore(10);
    const { accepted, refused } = await load.stop();
    for (const { id } of accepted)
      expect(await second.until(id, isFinal)).toMatchObject({ status: 'sent', attempts: [{}] });
    const taken = byMessageId(sandbox);
    expect(accepted.map(({ messageId }) => taken.get(messageId)?.length)).toEqual(accepted.map(() => 1));
    // What was not answered was not taken, and what was refused was refused as by an API that ends.
    expect(taken.size).toBe(accepted.length);
    expect(refused.filter((status) => status !== 503)).toEqual([]);
  }, 60_000);
});

/** Four senders with this pause are slower than the workers. */
const PAUSE_MS = 100;

interface Load {
  /** Waits until so many more mails were accepted. */
  untilMore(mails: number): Promise<void>;
  /** Resolves with what became of all requests. */
  stop(): Promise<{ readonly accepted: readonly Accepted[]; readonly refused: readonly number[] }>;
}

interface Accepted {
  readonly id: string;
  readonly messageId: string;
}

/** Mails to both APIs by turns, four at a time; one that does not listen any more is passed by, as a load balancer does. */
function startLoad(apis: readonly Pick<Awaited<ReturnType<typeof startApi>>, 'request'>[]): Load {
  const accepted: Accepted[] = [];
  const refused: number[] = [];
  let stopped = false;
  const post = async (n: number) => {
    const mail = { to: 'someone@example.com', subject: `Mail ${n}`, text: 'Hello.' };
    const answer = await apis[n % apis.length]?.request('POST', '/send', mail).catch(passBy);
    if (answer?.status === 202) accepted.push(answer.body);
    else if (answer) refused.push(answer.status);
  };
  const senders = [0, 1, 2, 3].map(async (sender) => {
    for (let n = sender; !stopped; n += 5) {
      await post(n);
      await delay(PAUSE_MS);
    }
  });
  return {
    untilMore: async (mails) => {
      const goal = accepted.length + mails;
      while (accepted.length < goal) await delay(10);
    },
    stop: async () => {
      stopped = true;
      await Promise.all(senders);
      return { accepted, refused };
    },
  };
}

/** Nobody listens, or the connection ended before the request was taken: it must not arrive then. */
function passBy(): undefined {
  return undefined;
}
