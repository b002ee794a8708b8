/**
 * memory: messages of 10 MB, queued through one API and then drained by one worker. The peak memory of each process must
 * not grow with the queue, so a long queue is compared with a short one.
 */
import { load } from '../http-load.ts';
import { mailWithAttachment } from '../mail.ts';
import type { Bench, Part, Row } from '../measure.ts';
import { usageOf } from '../process.ts';
import { AUTHORIZATION, openRelay } from '../relay365.ts';
import { openScene } from '../scene.ts';

const ATTACHMENT_BYTES = 10 * 1024 ** 2;
const SENDERS = 4;
const SHORT_QUEUE = 25;
const LONG_QUEUE = 100;
/** Redis holds the whole queue: it needs 14 GB for this one. */
const FULL_QUEUE = 1_000;
const MEGABYTE = 1024 ** 2;

interface Peak {
  readonly api: number;
  readonly worker: number;
}

export const memory: Part = async (bench) => {
  const messages = bench.full ? FULL_QUEUE : LONG_QUEUE;
  const short = await peakOf(bench, SHORT_QUEUE);
  const long = await peakOf(bench, messages);
  return [row('API', messages, long.api, short.api), row('worker', messages, long.worker, short.worker)];
};

/** The peak memory of fresh processes for a queue of this length. */
async function peakOf(bench: Bench, messages: number): Promise<Peak> {
  bench.say(`memory: ${messages} mails of 10 MB`);
  // The disk is not measured here.
  await using scene = await openScene({ appendonly: 'no' });
  const relay = scene.keep(await openRelay(scene, bench));
  await relay.pause();
  await load({
    urls: relay.urls,
    path: '/send',
    headers: AUTHORIZATION,
    body: mailWithAttachment(ATTACHMENT_BYTES),
    connections: SENDERS,
    length: { requests: messages },
  });
  await relay.resume();
  await scene.sink.taken(messages);
  const [api, worker] = [...relay.apis, ...relay.workers].map((program) => usageOf(program).residentBytesMax);
  return { api: (api ?? Number.NaN) / MEGABYTE, worker: (worker ?? Number.NaN) / MEGABYTE };
}

function row(process: string, messages: number, long: number, short: number): Row {
  const one = (figure: number) => ({ median: figure, min: figure, max: figure });
  return {
    measure: `most memory of the ${process}, ${messages} mails of 10 MB`,
    unit: 'MB',
    ours: one(long),
    against: { name: `${SHORT_QUEUE} mails`, figure: one(short) },
    comparison: { by: 'ratio', value: one(long / short) },
    goal: { atMost: 1.25 },
    note: `${SENDERS} posts at a time; the worker has 10 connections.`,
  };
}
