/** accept-two: how much a second API process adds. */
import { load } from '../http-load.ts';
import { MAIL } from '../mail.ts';
import { compare, interleave, type Part } from '../measure.ts';
import { AUTHORIZATION, openRelay } from '../relay365.ts';
import { openScene } from '../scene.ts';
import { CONNECTIONS } from './accept.ts';

const ROUND_MS = 1_500;

export const acceptTwo: Part = async (bench) => {
  await using scene = await openScene();
  const { urls } = scene.keep(await openRelay({ ...scene, apis: 2, workers: 0 }, bench));
  bench.say('accept with two API processes');
  const round = (of: readonly string[]) => async () => {
    await scene.redis.clear();
    const length = { ms: ROUND_MS };
    const options = { urls: of, path: '/send', headers: AUTHORIZATION, body: MAIL, length };
    // The same number of connections for each process, so that none of them is idle.
    return (await load({ ...options, connections: CONNECTIONS * of.length })).perSecond;
  };
  const [two = [], one = []] = await interleave(bench.rounds, [round(urls), round(urls.slice(0, 1))]);
  return [
    {
      measure: 'accept with two API processes',
      unit: 'requests/s',
      ...compare('one API process', two, one),
      goal: { atLeast: 1.7 },
      note: 'Two APIs, Redis and the client need a core each, and the disk needs some time, too.',
    },
  ];
};
