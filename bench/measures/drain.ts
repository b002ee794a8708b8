/** drain: how fast one worker empties a queue over ten connections, against BullMQ + nodemailer, and nodemailer alone. */
import { Queue } from 'bullmq';
import { Redis } from 'ioredis';
import { load } from '../http-load.ts';
import { MAIL } from '../mail.ts';
import { type Bench, compare, interleave, type Part, type Row, spread } from '../measure.ts';
import { openNaiveWorker, openReadyBytes } from '../naive.ts';
import { type Fsync, FSYNCS } from '../redis.ts';
import { AUTHORIZATION, MAILBOX, openRelay, type Relay } from '../relay365.ts';
import { openScene, type Scene } from '../scene.ts';
import { rateOf, shareOfCore, type Taken } from '../sink/sink.ts';

const MESSAGES = 1_500;

export const drain: Part = async (bench) => {
  await using scene = await openScene();
  const relay = scene.keep(await openRelay(scene, bench));
  const contestants = [relayRound(relay, scene), naiveRound(scene), readyRound(scene)];
  const rows: Row[] = [];
  for (const fsync of FSYNCS) {
    bench.say(`drain, fsync ${fsync}`);
    await scene.redis.setFsync(fsync);
    rows.push(...(await measure(bench, fsync, contestants)));
  }
  return rows;
};

async function measure({ rounds }: Bench, fsync: Fsync, contestants: (() => Promise<Taken>)[]): Promise<Row[]> {
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
      note: `The sink used ${sink} % of a core with ready bytes: it is not what is measured.`,
    },
  ];
}

function relayRound(relay: Relay, { sink }: Scene): () => Promise<Taken> {
  return async () => {
    await relay.pause();
    await fillRelay(relay, MESSAGES);
    await sink.reset();
    await relay.resume();
    return sink.taken(MESSAGES);
  };
}

const FILL_BATCH = 100;
const FILL_CONNECTIONS = 4;

/** Posts so many mails, rounded up to whole batches. */
export async function fillRelay({ urls }: Relay, mails: number): Promise<void> {
  const body = { messages: Array.from({ length: FILL_BATCH }, () => MAIL) };
  const length = { requests: Math.ceil(mails / FILL_BATCH) };
  await load({ urls, path: '/send/batch', headers: AUTHORIZATION, body, connections: FILL_CONNECTIONS, length });
}

function naiveRound(scene: Scene): () => Promise<Taken> {
  const { redis, sink, keep } = scene;
  const connection = new Redis(redis.url, { maxRetriesPerRequest: null });
  const queue = new Queue('mail', { connection });
  keep({
    close: async () => {
      await queue.close();
      connection.disconnect();
    },
  });
  openNaiveWorker(scene);
  const job = { name: 'send', data: { ...MAIL, from: MAILBOX }, opts: { removeOnComplete: true } };
  return async () => {
    await queue.pause();
    await queue.addBulk(Array.from({ length: MESSAGES }, () => job));
    await sink.reset();
    await queue.resume();
    return sink.taken(MESSAGES);
  };
}

function readyRound(scene: Scene): () => Promise<Taken> {
  const program = openReadyBytes(scene);
  return async () => {
    await scene.sink.reset();
    await program.ask({ messages: MESSAGES });
    return scene.sink.taken(MESSAGES);
  };
}
