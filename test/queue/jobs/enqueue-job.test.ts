/** The jobs that our own script writes are equal to those that BullMQ would write. */
import { Queue } from 'bullmq';
import { describe, expect, onTestFinished } from 'vitest';
import { JOB_NAME, JOB_OPTIONS } from '../../../src/queue/jobs/job.ts';
import { JOB_CONSTANTS } from '../../../src/queue/jobs/job-constants.ts';
import type { RedisClient } from '../../../src/queue/redis/client.ts';
import { defineLua, luaScript } from '../../../src/queue/redis/lua.ts';
import { test, testKeys } from '../../helpers/redis.ts';

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

function openQueue(client: RedisClient): Queue {
  const queue = new Queue('mailbox@example.com', { connection: client, prefix: testKeys().prefix });
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

async function writeOurs(client: RedisClient, queue: Queue): Promise<void> {
  const jobs = JOBS.map(([id, priority, delayMs]) => ({ id, priority, delayMs, data: JSON.stringify(DATA) }));
  const { enqueueJobs } = defineLua(client, SCRIPTS);
  await enqueueJobs({ keys: { queue: queue.toKey('').slice(0, -1) }, args: { nowMs: NOW, jobs } });
}

async function writeTheirs(queue: Queue): Promise<void> {
  for (const [jobId, priority, delay] of JOBS)
    await queue.add(JOB_NAME, DATA, { ...JOB_OPTIONS, jobId, priority, delay, timestamp: NOW });
}

/** Everything that a worker looks at. */
async function contentsOf(client: RedisClient, queue: Queue): Promise<unknown> {
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

describe('an enqueued job', () => {
  test('is equal to one that BullMQ enqueued', async ({ client }) => {
    const [ours, theirs] = [openQueue(client), openQueue(client)];
    await writeOurs(client, ours);
    await writeTheirs(theirs);
    expect(await contentsOf(client, ours)).toEqual(await contentsOf(client, theirs));
  });

  test('is not changed by another one with its id', async ({ client }) => {
    const queue = openQueue(client);
    await writeOurs(client, queue);
    const before = await contentsOf(client, queue);
    await writeOurs(client, queue);
    expect(await contentsOf(client, queue)).toEqual(before);
  });
});
