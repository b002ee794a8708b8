/** accept: how fast `POST /send` accepts messages, with everything it does, compared with naive-api.ts. */
import { type LoadResult, load } from '../http-load.ts';
import { MAIL } from '../mail.ts';
import { type Bench, compare, interleave, type Part, type Row } from '../measure.ts';
import { openNaiveApi } from '../naive.ts';
import { cpuMsOf, type Process } from '../process.ts';
import { type Fsync, FSYNCS } from '../redis.ts';
import { AUTHORIZATION, openRelay } from '../relay365.ts';
import { openScene, type Scene } from '../scene.ts';

export const CONNECTIONS = 32;
const ROUND_MS = 1_500;

interface Contestant {
  readonly urls: readonly string[];
  readonly processes: readonly Process[];
}

/** `cpuMs`: of one request. */
type Accepted = LoadResult & { readonly cpuMs: number };

export const accept: Part = async (bench) => {
  await using scene = await openScene();
  const { urls, apis } = scene.keep(await openRelay({ ...scene, workers: 0 }, bench));
  const naive = await openNaiveApi(scene);
  const rows: Row[] = [];
  for (const fsync of FSYNCS) {
    bench.say(`accept, fsync ${fsync}`);
    await scene.redis.setFsync(fsync);
    const ours = { urls, processes: [...apis, scene.redis] };
    const theirs = { urls: [naive.url], processes: [naive, scene.redis] };
    rows.push(...(await measure(bench, scene, fsync, ours, theirs)));
  }
  return rows;
};

async function measure(
  { rounds }: Bench,
  { redis }: Scene,
  fsync: Fsync,
  relay: Contestant,
  naive: Contestant,
): Promise<Row[]> {
  const round =
    ({ urls, processes }: Contestant) =>
    async (): Promise<Accepted> => {
      await redis.clear();
      const cpuMs = cpuMsOf(processes);
      const options = { urls, path: '/send', headers: AUTHORIZATION, body: MAIL, connections: CONNECTIONS };
      const result = await load({ ...options, length: { ms: ROUND_MS } });
      return { ...result, cpuMs: (cpuMsOf(processes) - cpuMs) / result.requests };
    };
  const [ours = [], theirs = []] = await interleave(rounds, [round(relay), round(naive)]);
  const figures = (name: keyof Accepted, results: Accepted[]) => results.map((result) => result[name]);
  const against = 'Fastify + queue.add';
  return [
    {
      measure: `accept, fsync ${fsync}`,
      unit: 'requests/s',
      ...compare(against, figures('perSecond', ours), figures('perSecond', theirs)),
      ...(fsync === 'always' && { goal: { atLeast: 1.2 } }),
    },
    {
      measure: `accept p99, fsync ${fsync}`,
      unit: 'ms',
      ...compare(against, figures('p99Ms', ours), figures('p99Ms', theirs)),
      goal: { atMost: 1 },
    },
    {
      measure: `accept, CPU of API and Redis for a mail, fsync ${fsync}`,
      unit: 'ms',
      ...compare(against, figures('cpuMs', ours), figures('cpuMs', theirs)),
    },
  ];
}
