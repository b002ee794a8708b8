/** throttled: how much of Exchange's limit of 30 messages a minute four workers with three connections use, and whether they keep it. */
import type { Bench, Part, Row } from '../measure.ts';
import { openRelay } from '../relay365.ts';
import { openScene } from '../scene.ts';
import type { Taken } from '../sink/sink.ts';
import { fillRelay } from './drain.ts';

const CONNECTIONS = 3;
const PER_WINDOW = 30;
const MINUTE_MS = 60_000;
const WINDOWS = 5;
/** Ten times as fast as Exchange's minute. The code path is the same. */
const COMPRESSED_MS = 6_000;

export const throttled: Part = async (bench) => {
  await using scene = await openScene();
  const windowMs = bench.full ? MINUTE_MS : COMPRESSED_MS;
  const relay = scene.keep(
    await openRelay(
      {
        ...scene,
        workers: 4,
        workerFile: 'bench/windowed-worker.ts',
        env: {
          M365_CONNECTIONS: String(CONNECTIONS),
          M365_MESSAGES_PER_MINUTE: String(PER_WINDOW),
          BENCH_WINDOW_MS: String(windowMs),
        },
      },
      bench,
    ),
  );
  bench.say(`throttled drain: ${(WINDOWS * windowMs) / 1_000} s`);
  await fillRelay(relay, (WINDOWS + 2) * PER_WINDOW);
  // One more than the limit allows in this time: it ends the wait.
  const taken = await scene.sink.taken(WINDOWS * PER_WINDOW + 1);
  return rows(bench, taken, windowMs);
};

function rows({ full }: Bench, { times, connectionsPeak }: Taken, windowMs: number): Row[] {
  const [first = 0] = times;
  const inTime = times.filter((time) => time - first < WINDOWS * windowMs).length;
  const worst = Math.max(...times.map((from) => times.filter((time) => time >= from && time < from + windowMs).length));
  const used = inTime / (WINDOWS * PER_WINDOW);
  const window = full ? 'minute' : `${windowMs / 1_000} s`;
  return [
    {
      measure: `throttled drain, ${PER_WINDOW} a ${window}, 4 workers`,
      unit: 'of the limit',
      ours: { median: used, min: used, max: used },
      goal: { atLeast: 0.98 },
      note: `At most ${worst} in any ${window} and ${connectionsPeak} connections at a time, counted by the sink.`,
    },
  ];
}
