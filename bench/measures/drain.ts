/** drain: how fast one worker empties a queue over ten connections, compared with BullMQ + nodemailer, and only nodemailer. */
import { Queue } from 'bullmq';
import { Redis } from 'ioredis';
import { load } from '../http-load.ts';
import { MAIL } from '../mail.ts';
import { type Bench, compare, interleave, type Part, type Row, spread } from '../measure.ts';
import { openNaiveWorker, openReadyBytes } from '../naive.ts';
import { cpuMsOf, type Process, type Program } from '../process.ts';
import { type Fsync, FSYNCS } from '../redis.ts';
import { AUTHORIZATION, MAILBOX, openRelay, type Relay } from '../relay365.ts';
import { openScene, type Scene } from '../scene.ts';
import { rateOf, shareOfCore, type Taken } from '../sink/sink.ts';

const MESSAGES = 1_500;

const cpuMsOfMail = (drained: Drained) => drained.cpuMsOfMail;

export const drain: Part = async (bench) => {
  await using scene = await openScene();
  const relay = scene.keep(await openRelay(scene, bench));
  const worker = relay.workers[0] as Program;
  const contestants = [relayRound(relay, worker, scene), naiveRound(scene), readyRound(scene)];
  const rows: Row[] = [];
  for (const fsync of FSYNCS) {
    bench.say(`drain, fsync ${fsync}`);
    await scene.redis.setFsync(fsync);
    rows.push(...(await measure(bench, fsync, contestants)));
  }
  return rows;
};

async function measure({ rounds }: Bench, fsync: Fsync, contestants: (() => Promise<Drained>)[]): Promise<Row[]> {
  const [ours = [], naive = [], ready = []] = await interleave(rounds, contestants);
  const sink = Math.round(100 * spread(ready.map(shareOfCore)).median);
  return [
    {
      measure: `drain, fsync ${fsync}`,
      unit: 'mails/s',
      ...compare('BullMQ + nodemailer', ours.map(rateOf), naive.map(rateOf)),
      goal: { atLeast: 2 },
    },
    {
      measure: `drain, fsync ${fsync}`,
      unit: 'mails/s',
      ...compare('nodemailer, ready bytes', ours.map(rateOf), ready.map(rateOf)),
      goal: { atLeast: 0.8 },
      note: `The sink used ${sink} % of a core with ready bytes, so it is not the bottleneck.`,
    },
    {
      measure: `drain, CPU of worker and Redis for a mail, fsync ${fsync}`,
      unit: 'ms',
      ...compare('BullMQ + nodemailer', ours.map(cpuMsOfMail), naive.map(cpuMsOfMail)),
    },
  ];
}

/** `cpuMsOfMail`: of the worker and Redis. */
type Drained = Taken & { readonly cpuMsOfMail: number };

/** Lets these processes send what is queued. */
async function drainWith(
  processes: readonly Process[],
  { sink }: Scene,
  begin: () => Promise<unknown>,
): Promise<Drained> {
  await sink.reset();
  const cpuMs = cpuMsOf(processes);
  await begin();
  const taken = await sink.taken(MESSAGES);
  return { ...taken, cpuMsOfMail: (cpuMsOf(processes) - cpuMs) / MESSAGES };
}

function relayRound(relay: Relay, worker: Program, scene: Scene): () => Promise<Drained> {
  return async () => {
    await relay.pause();
    await fillRelay(relay, MESSAGES);
    return drainWith([worker, scene.redis], scene, relay.resume);
  };
}

const FILL_BATCH = 100;
const FILL_CONNECTIONS = 4;

/** Posts this many messages, rounded up to whole batches. */
export async function fillRelay({ urls }: Relay, mails: number): Promise<void> {
  const body = { messages: Array.from({ length: FILL_BATCH }, () => MAIL) };
  const length = { requests: Math.ceil(mails / FILL_BATCH) };
  await load({ urls, path: '/send/batch', headers: AUTHORIZATION, body, connections: FILL_CONNECTIONS, length });
}

function naiveRound(scene: Scene): () => Promise<Drained> {
  const { redis, keep } = scene;
  const connection = new Redis(redis.url, { maxRetriesPerRequest: null });
  const queue = new Queue('mail', { connection });
  keep({
    close: async () => {
      await queue.close();
      connection.disconnect();
    },
  });
  const worker = openNaiveWorker(scene);
  const job = { name: 'send', data: { ...MAIL, from: MAILBOX }, opts: { removeOnComplete: true } };
  return async () => {
    await queue.pause();
    await queue.addBulk(Array.from({ length: MESSAGES }, () => job));
    return drainWith([worker, redis], scene, () => queue.resume());
  };
}

function readyRound(scene: Scene): () => Promise<Drained> {
  const program = openReadyBytes(scene);
  return () => drainWith([program], scene, () => program.ask({ messages: MESSAGES }));
}
