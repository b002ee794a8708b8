/** accept: how fast `POST /send` takes mail, with all that it does, against the afternoon's work of naive-api.ts. */
import { type LoadResult, load } from '../http-load.ts';
import { MAIL } from '../mail.ts';
import { type Bench, compare, interleave, type Part, type Row } from '../measure.ts';
import { openNaiveApi } from '../naive.ts';
import { type Fsync, FSYNCS } from '../redis.ts';
import { AUTHORIZATION, openRelay } from '../relay365.ts';
import { openScene, type Scene } from '../scene.ts';

export const CONNECTIONS = 32;
const ROUND_MS = 1_500;

export const accept: Part = async (bench) => {
  await using scene = await openScene();
  const { urls } = scene.keep(await openRelay({ ...scene, workers: 0 }, bench));
  const { url } = await openNaiveApi(scene);
  const rows: Row[] = [];
  for (const fsync of FSYNCS) {
    bench.say(`accept, fsync ${fsync}`);
    await scene.redis.setFsync(fsync);
    rows.push(...(await measure(bench, scene, fsync, urls, url)));
  }
  return rows;
};

async function measure(
  { rounds }: Bench,
  { redis }: Scene,
  fsync: Fsync,
  urls: readonly string[],
  naive: string,
): Promise<Row[]> {
  const round = (of: readonly string[], body: object) => async (): Promise<LoadResult> => {
    await redis.clear();
    const length = { ms: ROUND_MS };
    return load({ urls: of, path: '/send', headers: AUTHORIZATION, body, connections: CONNECTIONS, length });
  };
  const [ours = [], theirs = []] = await interleave(rounds, [round(urls, MAIL), round([naive], MAIL)]);
  const figures = (name: keyof LoadResult, results: LoadResult[]) => results.map((result) => result[name]);
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
  ];
}
