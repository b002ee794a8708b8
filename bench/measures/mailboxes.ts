/** mailboxes: what 1, 50 and 500 idle mailboxes cost. It also checks that each of them sends. */
import { sleep } from '../clock.ts';
import { MAIL } from '../mail.ts';
import type { Bench, Part, Row } from '../measure.ts';
import { type Program, usageOf } from '../process.ts';
import { openRelay } from '../relay365.ts';
import { openScene, type Scene } from '../scene.ts';

const COUNTS = [1, 50, 500];
const SETTLE_MS = 3_000;
const IDLE_MS = 8_000;
const MEGABYTE = 1024 ** 2;

/** What an idle installation uses. */
interface Cost {
  readonly connections: number;
  readonly workerMegabytes: number;
  readonly workerCpuPercent: number;
  readonly redisMegabytes: number;
  readonly redisCpuPercent: number;
}

export const mailboxes: Part = async (bench) => {
  const costs: Cost[] = [];
  for (const count of COUNTS) costs.push(await costOf(bench, count));
  const [one, ...more] = costs;
  return more.flatMap((cost, n) => (one ? rows(COUNTS[n + 1] ?? 0, cost, one) : []));
};

async function costOf(bench: Bench, count: number): Promise<Cost> {
  bench.say(`${count} mailboxes`);
  await using scene = await openScene();
  const addresses = Array.from({ length: count }, (_, n) => `mailbox${n}@contoso.example`);
  const yaml = `mailboxes:\n${addresses.map((address) => `  - address: ${address}\n`).join('')}`;
  const relay = scene.keep(await openRelay({ ...scene, yaml }, bench));
  for (const mailbox of addresses) {
    const response = await relay.request('POST', '/send', { ...MAIL, mailbox });
    if (response.status !== 202) throw new Error(`${mailbox}: ${response.status} ${await response.text()}`);
  }
  await scene.sink.taken(count);
  await sleep(SETTLE_MS);
  // Await it here: the scene ends with this function.
  return await idleCost(scene, relay.workers[0] as Program);
}

async function idleCost({ redis }: Scene, worker: Program): Promise<Cost> {
  const before = { worker: usageOf(worker), redis: usageOf(redis) };
  await sleep(IDLE_MS);
  const after = { worker: usageOf(worker), redis: usageOf(redis) };
  const percent = (who: 'worker' | 'redis') => (100 * (after[who].cpuMs - before[who].cpuMs)) / IDLE_MS;
  return {
    connections: (await redis.info('connected_clients')) - 1,
    workerMegabytes: after.worker.residentBytes / MEGABYTE,
    workerCpuPercent: percent('worker'),
    redisMegabytes: (await redis.info('used_memory')) / MEGABYTE,
    redisCpuPercent: percent('redis'),
  };
}

const UNITS: Readonly<Record<keyof Cost, readonly [what: string, unit: string]>> = {
  connections: ['connections to Redis', ''],
  workerMegabytes: ['memory of the worker', 'MB'],
  workerCpuPercent: ['idle CPU of the worker', '% of a core'],
  redisMegabytes: ['memory of Redis', 'MB'],
  redisCpuPercent: ['idle CPU of Redis', '% of a core'],
};

function rows(count: number, cost: Cost, one: Cost): Row[] {
  const single = (figure: number) => ({ median: figure, min: figure, max: figure });
  return Object.entries(UNITS).map(([name, [what, unit]]) => {
    const [ours, theirs] = [cost[name as keyof Cost], one[name as keyof Cost]];
    const each = Number(((ours - theirs) / (count - 1)).toPrecision(2));
    return {
      measure: `${count} mailboxes: ${what}`,
      unit,
      ours: single(ours),
      against: { name: 'one mailbox', figure: single(theirs) },
      note: `${each} ${unit} for each mailbox.`,
    };
  });
}
