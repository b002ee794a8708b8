/** backlog: whether a queue of 100,000 messages is slower to fill and to drain than one of 1,000. */
import { load } from '../http-load.ts';
import { MAIL } from '../mail.ts';
import { type Bench, compare, interleave, type Part } from '../measure.ts';
import { AUTHORIZATION, openRelay, type Relay } from '../relay365.ts';
import { openScene, type Scene } from '../scene.ts';
import { rateOf } from '../sink/sink.ts';
import { CONNECTIONS } from './accept.ts';
import { fillRelay } from './drain.ts';

const SHORT = 1_000;
const LONG = 100_000;
/** How many messages a round adds and then drains. */
const MESSAGES = 1_500;

interface Rates {
  readonly accepted: number;
  readonly drained: number;
}

export const backlog: Part = async (bench) => {
  await using short = await openScene();
  await using long = await openScene();
  const contestants = [await prepare(bench, long, LONG), await prepare(bench, short, SHORT)];
  bench.say('backlog: accept and drain');
  const [ours = [], theirs = []] = await interleave(bench.rounds, contestants);
  const rates = (name: keyof Rates, all: Rates[]) => all.map((rate) => rate[name]);
  const against = `${SHORT.toLocaleString('en-US')} queued`;
  const queued = `${LONG.toLocaleString('en-US')} queued`;
  return [
    {
      measure: `accept, ${queued}`,
      unit: 'requests/s',
      ...compare(against, rates('accepted', ours), rates('accepted', theirs)),
      goal: { atLeast: 0.9 },
    },
    {
      measure: `drain, ${queued}`,
      unit: 'mails/s',
      ...compare(against, rates('drained', ours), rates('drained', theirs)),
      goal: { atLeast: 0.9 },
    },
  ];
};

/** Fills the queue. Resolves with a round on it. */
async function prepare(bench: Bench, scene: Scene, messages: number): Promise<() => Promise<Rates>> {
  bench.say(`backlog: ${messages.toLocaleString('en-US')} messages are queued`);
  const relay = scene.keep(await openRelay(scene, bench));
  await relay.pause();
  await scene.redis.setFsync('everysec');
  await fillRelay(relay, messages);
  await scene.redis.setFsync('always');
  return () => round(scene, relay);
}

async function round({ sink }: Scene, relay: Relay): Promise<Rates> {
  const length = { requests: MESSAGES };
  const options = { urls: relay.urls, path: '/send', headers: AUTHORIZATION, body: MAIL, connections: CONNECTIONS };
  const { perSecond: accepted } = await load({ ...options, length });
  await sink.reset();
  await relay.resume();
  const taken = await sink.taken(MESSAGES);
  await relay.pause();
  return { accepted, drained: rateOf(taken) };
}
