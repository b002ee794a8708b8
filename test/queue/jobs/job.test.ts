/** The tickets that our own script writes in the place of BullMQ: they are what BullMQ would have written. */
import { Queue } from 'bullmq';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { JOB_NAME, JOB_OPTIONS } from '../../../src/queue/jobs/job.ts';
import { TICKET } from '../../../src/queue/jobs/job-script.ts';
import { connectTo, startTestRedis, type TestRedis, testKeys } from '../../helpers/redis.ts';

let redis: TestRedis;
beforeAll(async () => {
  redis = await startTestRedis();
});
afterAll(() => redis.close());

const NOW = 1_764_000_000_123;
const DATA = { recipients: 3 };
const TICKETS: readonly (readonly [id: string, lane: number, delayMs: number])[] = [
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

async function writeOurs(queue: Queue): Promise<void> {
  const write = `${TICKET} writeTicket(KEYS[1], ARGV[1], ${NOW}, tonumber(ARGV[2]), tonumber(ARGV[3]), ARGV[4])`;
  for (const [id, lane, delay] of TICKETS) {
    await connectTo(redis).eval(write, 1, queue.toKey('').slice(0, -1), id, lane, delay, JSON.stringify(DATA));
  }
}

async function writeTheirs(queue: Queue): Promise<void> {
  for (const [jobId, priority, delay] of TICKETS)
    await queue.add(JOB_NAME, DATA, { ...JOB_OPTIONS, jobId, priority, delay, timestamp: NOW });
}

/** Everything that a worker looks at. */
async function contentsOf(queue: Queue): Promise<unknown> {
  const client = connectTo(redis);
  const set = (name: string) => client.zrange(queue.toKey(name), 0, '-1', 'WITHSCORES');
  const jobs = await Promise.all(TICKETS.map(async ([id]) => await queue.getJob(id)));
  const options = jobs.map((job) => ({ ...job?.opts, jobId: undefined, timestamp: undefined }));
  return {
    prioritized: await set('prioritized'),
    delayed: await set('delayed'),
    marker: await set('marker'),
    jobs: jobs.map((job) => ({ ...job?.asJSON(), opts: undefined })),
    options,
  };
}

describe('a ticket of ours', () => {
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
