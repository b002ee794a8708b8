/** relay365's own processes: killed, stopped, frozen, and their clocks set. */
import { setTimeout as delay } from 'node:timers/promises';
import type { Random } from '../random.ts';
import type { ManagedProcess } from '../managed-process.ts';
import type { Fault } from './fault.ts';

const CLOCK_JUMP_MS_MAX = 10 * 60_000;

export const PROCESS_FAULTS: readonly Fault[] = [
  {
    name: 'worker: SIGKILL',
    ms: [100, 3_000],
    inject: ({ workers }, random, forMs) => random.pick(workers).end('SIGKILL', forMs),
  },
  {
    name: 'worker: SIGTERM',
    ms: [0, 2_000],
    inject: ({ workers }, random, forMs) => random.pick(workers).end('SIGTERM', forMs),
  },
  {
    name: 'worker: frozen',
    // Not longer than its lease: its connections stay open at Exchange, and nothing else could close them.
    ms: [2_000, 9_000],
    inject: ({ workers }, random, forMs) => random.pick(workers).freeze(forMs),
  },
  {
    name: 'worker: clock jumps',
    ms: [1_000, 8_000],
    inject: ({ workers }, random, forMs) => jump(random.pick(workers), random, forMs),
  },
  {
    name: 'all workers: SIGKILL',
    ms: [100, 2_000],
    inject: ({ workers }, _random, forMs) => Promise.all(workers.map((worker) => worker.end('SIGKILL', forMs))),
  },
  {
    name: 'all workers: rolling restart',
    ms: [0, 200],
    isLong: true,
    inject: async ({ workers }, _random, forMs) => {
      for (const worker of workers) await worker.end('SIGTERM', forMs);
    },
  },
  {
    name: 'API: SIGKILL',
    ms: [100, 2_000],
    inject: ({ apis }, random, forMs) => random.pick(apis).end('SIGKILL', forMs),
  },
  {
    name: 'API: SIGTERM',
    ms: [0, 1_000],
    inject: ({ apis }, random, forMs) => random.pick(apis).end('SIGTERM', forMs),
  },
  {
    name: 'API: clock jumps',
    ms: [1_000, 8_000],
    inject: ({ apis }, random, forMs) => jump(random.pick(apis), random, forMs),
  },
];

async function jump(one: ManagedProcess, random: Random, forMs: number): Promise<void> {
  one.setClock(Math.round(random.between(-CLOCK_JUMP_MS_MAX, CLOCK_JUMP_MS_MAX)));
  await delay(forMs);
  one.setClock(0);
}
