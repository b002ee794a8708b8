/** listing: how fast `GET /messages` answers over 100,000 messages, for different queries. */
import { nowMs } from '../clock.ts';
import { type Bench, type Part, quantile, type Row, spread } from '../measure.ts';
import { MAILBOX, openRelay, type Relay } from '../relay365.ts';
import { openScene } from '../scene.ts';
import { fillRelay } from './drain.ts';

const MESSAGES = 100_000;
const ASKED_A_ROUND = 20;
/** How many pages of 100 come before the page deep in the list. */
const PAGES_BEFORE = 50;

export const listing: Part = async (bench) => {
  await using scene = await openScene({ appendfsync: 'everysec' });
  const relay = scene.keep(await openRelay({ ...scene, workers: 0 }, bench));
  bench.say(`listing: ${MESSAGES.toLocaleString('en-US')} messages are queued`);
  await fillRelay(relay, MESSAGES);
  const deep = await turnPages(relay, PAGES_BEFORE);
  const questions: Readonly<Record<string, string>> = {
    'the newest': '/messages',
    '100 of a mailbox and status': `/messages?limit=100&status=queued&mailbox=${MAILBOX}`,
    '100 deep in the list': deep,
    'a status that none has': '/messages?status=failed',
  };
  bench.say('listing');
  const rows: Row[] = [];
  for (const [name, path] of Object.entries(questions)) rows.push(await measure(bench, relay, name, path));
  return rows;
};

async function turnPages(relay: Relay, pages: number): Promise<string> {
  let path = '/messages?limit=100';
  for (let page = 0; page < pages; page += 1) {
    const { nextCursor } = (await (await relay.request('GET', path)).json()) as { nextCursor: string };
    path = `/messages?limit=100&cursor=${encodeURIComponent(nextCursor)}`;
  }
  return path;
}

async function measure({ rounds }: Bench, relay: Relay, name: string, path: string): Promise<Row> {
  const p95: number[] = [];
  for (let round = 0; round < rounds; round += 1) {
    const times: number[] = [];
    for (let n = 0; n < ASKED_A_ROUND; n += 1) times.push(await timeOf(relay, path));
    p95.push(quantile(times, 0.95));
  }
  const measure = `GET /messages over ${MESSAGES.toLocaleString('en-US')}, ${name}, p95`;
  return { measure, unit: 'ms', ours: spread(p95), goal: { atMost: 50 } };
}

async function timeOf(relay: Relay, path: string): Promise<number> {
  const startedAt = nowMs();
  const response = await relay.request('GET', path);
  await response.text();
  if (!response.ok) throw new Error(`${path} answered ${response.status}.`);
  return nowMs() - startedAt;
}
