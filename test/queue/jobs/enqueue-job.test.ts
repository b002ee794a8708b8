/** The jobs that our own script writes in the place of BullMQ: they are what BullMQ would have written. */
import { Queue } from 'bullmq';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { JOB_NAME, JOB_OPTIONS } from '../../../src/queue/jobs/job.ts';
import { JOB_CONSTANTS } from '../../../src/queue/jobs/job-constants.ts';
import { defineLua, luaScript } from '../../../src/queue/redis/lua.ts';
import { connectTo, startTestRedis, type TestRedis, testKeys } from '../../helpers/redis.ts';

let redis: TestRedis;
beforeAll(async () => {
  redis = await startTestRedis();
});
afterAll(() => redis.close());

const NOW = 1_764_000_000_123;
const DATA = { recipients: 3 };
const JOBS: readonly (readonly [id: string, priority: number, delayMs: number])[] = [
  ['b', 10, 0],
  ['a', 10, 0],
  ['high', 1, 0],
  ['low', 100, 0],
  ['later', 10, 86_400_000],
  ['as late', 10, 86_400_000],
  ['soon', 1, 5],
];

function openQueue(): Queue {
  const connection = connectTo(redis);
  const queue = new Queue('mailbox@example.com', { connection, prefix: testKeys().prefix });
  onTestFinished(() => queue.close());
  return queue;
}

type EnqueuedJob = Readonly<{ id: string; priority: number; delayMs: number; data: string }>;
const SCRIPTS = {
  enqueueJobs: luaScript<{ queue: string }, { nowMs: number; jobs: readonly EnqueuedJob[] }, null>(
    new URL('enqueue-jobs.lua', import.meta.url),
    { constants: JOB_CONSTANTS },
  ),
};

async function writeOurs(queue: Queue): Promise<void> {
  const jobs = JOBS.map(([id, priority, delayMs]) => ({ id, priority, delayMs, data: JSON.stringify(DATA) }));
  const { enqueueJobs } = defineLua(connectTo(redis), SCRIPTS);
  await enqueueJobs({ keys: { queue: queue.toKey('').slice(0, -1) }, args: { nowMs: NOW, jobs } });
}

async function writeTheirs(queue: Queue): Promise<void> {
  for (const [jobId, priority, delay] of JOBS)
    await queue.add(JOB_NAME, DATA, { ...JOB_OPTIONS, jobId, priority, delay, timestamp: NOW });
}

/** Everything that a worker looks at. */
async function contentsOf(queue: Queue): Promise<unknown> {
  const client = connectTo(redis);
  const set = (name: string) => client.zrange(queue.toKey(name), 0, '-1', 'WITHSCORES');
  const jobs = await Promise.all(JOBS.map(async ([id]) => await queue.getJob(id)));
  const options = jobs.map((job) => ({ ...job?.opts, jobId: undefined, timestamp: undefined }));
  return {
    prioritized: await set('prioritized'),
    delayed: await set('delayed'),
    marker: await set('marker'),
    jobs: jobs.map((job) => ({ ...job?.asJSON(), opts: undefined })),
    options,
  };
}

describe('a job of ours', () => {
  test("is BullMQ's own", async () => {
    const [ours, theirs] = [openQueue(), openQueue()];
    await writeOurs(ours);
    await writeTheirs(theirs);
    expect(await contentsOf(ours)).toEqual(await contentsOf(theirs));
  });

  test('is written once: a second one changes nothing', async () => {
    const queue = openQueue();
    await writeOurs(queue);
    const before = await contentsOf(queue);
    await writeOurs(queue);
    expect(await contentsOf(queue)).toEqual(before);
  });
});
