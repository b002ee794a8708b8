/** costs: what one message needs of each process and of Redis's memory. docs/scaling.md uses these figures. */
import { load } from '../http-load.ts';
import { MAIL } from '../mail.ts';
import type { Bench, Part, Row } from '../measure.ts';
import { spread } from '../measure.ts';
import { type Program, usageOf } from '../process.ts';
import { AUTHORIZATION, openRelay, type Relay } from '../relay365.ts';
import { openScene, type Scene } from '../scene.ts';
import { CONNECTIONS } from './accept.ts';

const MESSAGES = 3_000;

/** Of one message. */
interface Costs {
  readonly apiCpuMs: number;
  readonly redisCpuMsToAccept: number;
  readonly workerCpuMs: number;
  readonly redisCpuMsToSend: number;
  readonly queuedKilobytes: number;
  readonly sentKilobytes: number;
  readonly writtenKilobytes: number;
}

const NAMES: Readonly<Record<keyof Costs, readonly [what: string, unit: string]>> = {
  apiCpuMs: ['CPU of the API to accept', 'ms'],
  redisCpuMsToAccept: ['CPU of Redis to accept', 'ms'],
  workerCpuMs: ['CPU of the worker to send', 'ms'],
  redisCpuMsToSend: ['CPU of Redis to send', 'ms'],
  queuedKilobytes: ['memory of Redis while it waits', 'KB'],
  sentKilobytes: ['memory of Redis once it is sent', 'KB'],
  writtenKilobytes: ["bytes to Redis's append-only file", 'KB'],
};

export const costs: Part = async (bench) => {
  await using scene = await openScene({ appendfsync: 'everysec' });
  const relay = scene.keep(await openRelay(scene, bench));
  bench.say('costs of a mail');
  const all = await takeRounds(bench, scene, relay);
  return Object.entries(NAMES).map(
    ([name, [what, unit]]): Row => ({
      measure: `one mail: ${what}`,
      unit,
      ours: spread(all.map((one) => one[name as keyof Costs])),
    }),
  );
};

/** The first round warms up the processes and does not count. */
async function takeRounds({ rounds }: Bench, scene: Scene, relay: Relay): Promise<readonly Costs[]> {
  const all: Costs[] = [];
  for (let round = 0; round <= rounds; round += 1) all.push(await costsOf(scene, relay));
  return all.slice(1);
}

async function costsOf(scene: Scene, relay: Relay): Promise<Costs> {
  const [api, worker] = [relay.apis[0] as Program, relay.workers[0] as Program];
  const read = async () => ({
    api: usageOf(api).cpuMs,
    worker: usageOf(worker).cpuMs,
    redis: usageOf(scene.redis).cpuMs,
    memory: (await scene.redis.info('used_memory')) / 1_024,
    written: (await scene.redis.info('aof_current_size')) / 1_024,
  });
  await relay.pause();
  const before = await read();
  const options = { urls: relay.urls, path: '/send', headers: AUTHORIZATION, body: MAIL, connections: CONNECTIONS };
  await load({ ...options, length: { requests: MESSAGES } });
  const queued = await read();
  await scene.sink.reset();
  await relay.resume();
  await scene.sink.taken(MESSAGES);
  const sent = await read();
  return {
    apiCpuMs: (queued.api - before.api) / MESSAGES,
    redisCpuMsToAccept: (queued.redis - before.redis) / MESSAGES,
    workerCpuMs: (sent.worker - queued.worker) / MESSAGES,
    redisCpuMsToSend: (sent.redis - queued.redis) / MESSAGES,
    queuedKilobytes: (queued.memory - before.memory) / MESSAGES,
    sentKilobytes: (sent.memory - before.memory) / MESSAGES,
    writtenKilobytes: (sent.written - before.written) / MESSAGES,
  };
}
