/** batch: 100 mails in one request against 100 requests. */
import { load } from '../http-load.ts';
import { MAIL } from '../mail.ts';
import { compare, interleave, type Part } from '../measure.ts';
import { AUTHORIZATION, openRelay } from '../relay365.ts';
import { openScene } from '../scene.ts';
import { CONNECTIONS } from './accept.ts';

const BATCH = 100;
/** As many messages at a time as Redis stores within the second that an accept may last. */
const BATCH_CONNECTIONS = 4;
const ROUND_MS = 1_500;

export const batch: Part = async (bench) => {
  await using scene = await openScene();
  const relay = scene.keep(await openRelay({ ...scene, workers: 0 }, bench));
  const body = { messages: Array.from({ length: BATCH }, () => MAIL) };
  bench.say('batch of 100');
  const round = (path: string, content: object, mails: number, connections: number) => async () => {
    await scene.redis.clear();
    const length = { ms: ROUND_MS };
    const options = { urls: relay.urls, path, headers: AUTHORIZATION, body: content, connections, length };
    return (await load(options)).perSecond * mails;
  };
  const [ours = [], theirs = []] = await interleave(bench.rounds, [
    round('/send/batch', body, BATCH, BATCH_CONNECTIONS),
    round('/send', MAIL, 1, CONNECTIONS),
  ]);
  return [
    {
      measure: 'batch of 100, fsync always',
      unit: 'mails/s',
      ...compare('single posts', ours, theirs),
      goal: { atLeast: 4 },
      note: `${BATCH_CONNECTIONS} connections with batches, ${CONNECTIONS} with single posts.`,
    },
  ];
};
