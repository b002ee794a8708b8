/**
 * `npm run torture`: runs relay365's real processes under a steady load, injects faults by a seeded schedule, and checks at
 * the end that every promise was kept. It exits with 0 if so. Options: `--quick`, `--seed N`, `--minutes N`.
 */
import { rmSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { collectMessages, type Evidence, findLeftovers, type Injected, readLogs } from './evidence.ts';
import { INVARIANTS, recoveries } from './invariants.ts';
import { sendLoad } from './load.ts';
import { type Options, readOptions } from './options.ts';
import { makeRandom } from './random.ts';
import { makeSchedule, type Planned } from './schedule.ts';
import { makeTable } from './table.ts';
import { MAILBOXES, openWorld, RATE_REPLY, type World } from './world.ts';

const MAILS_PER_SECOND = 6;
const FAULT_EVERY_MS = 4_000;
const QUICK_FAULT_EVERY_MS = 1_200;
/**
 * A worker ends a job shortly after it stores the status. If the job's lock expired while Redis was away, the workers find
 * the job as they find that of a dead worker.
 */
const SETTLE_MS = 1_500;
const SETTLE_MS_MAX = 30_000;
const BREACHES_SHOWN = 10;

const options = readOptions(process.argv.slice(2));
console.log(`torture: seed ${options.seed}, ${Math.round(options.loadMs / 1_000)} s of load and faults`);
const world = await openWorld();
const evidence = await torture(world, options);
await world.close();
const breaches = report(evidence, options);
if (breaches === 0) rmSync(world.folder, { recursive: true, force: true });
else console.log(`\nThe logs are in ${world.folder}. To repeat the run: npm run torture -- --seed ${options.seed}`);
process.exitCode = breaches === 0 ? 0 : 1;

async function torture(world: World, { seed, loadMs, drainMs, quick }: Options): Promise<Evidence> {
  const random = makeRandom(seed);
  const schedule = makeSchedule(random.fork(1), loadMs, quick ? QUICK_FAULT_EVERY_MS : FAULT_EVERY_MS, quick);
  const [requests, faults] = await Promise.all([
    sendLoad(world, random.fork(2), loadMs, MAILS_PER_SECOND),
    Promise.all(schedule.map((planned) => inject(world, planned))),
  ]);
  world.sandbox.exchange.clearScript();
  world.sandbox.entra.clearScript();
  const { messages, drainedMs } = await collectMessages(world, requests, drainMs);
  await settle(world, messages);
  await Promise.all([...world.apis, ...world.workers].map((one) => one.end('SIGTERM')));
  const { exchange } = world.sandbox;
  return {
    requests,
    messages,
    faults,
    drainedMs,
    taken: exchange.messages,
    ends: [...world.apis, ...world.workers].flatMap(({ ends }) => ends),
    connectionPeaks: new Map(MAILBOXES.map((address) => [address, exchange.connections(address).peak])),
    rateRefusals: exchange.attempts.filter(({ reply }) => reply?.startsWith(RATE_REPLY)).length,
    leftovers: await findLeftovers(world, messages),
    logs: readLogs(world),
  };
}

async function settle(world: World, messages: Evidence['messages']): Promise<void> {
  for (const endsAt = Date.now() + SETTLE_MS_MAX; Date.now() < endsAt; ) {
    await delay(SETTLE_MS);
    if ((await findLeftovers(world, messages)).length === 0) return;
  }
}

async function inject(world: World, { fault, atMs, forMs, random }: Planned): Promise<Injected> {
  await delay(atMs);
  const at = Date.now();
  try {
    await fault.inject(world, random, forMs);
    return { name: fault.name, at, endedAt: Date.now() };
  } catch (error) {
    return { name: fault.name, at, endedAt: Date.now(), error: String(error) };
  }
}

/** Prints what happened. Returns the number of breaches. */
function report(evidence: Evidence, { seed }: Options): number {
  console.log(`\n${makeTable(evidence).join('\n')}\n`);
  console.log(summary(evidence));
  const found = INVARIANTS.map(({ promise, check }) => ({ promise, breaches: check(evidence) }));
  for (const { promise, breaches } of found) {
    console.log(`${breaches.length === 0 ? 'kept  ' : 'BROKEN'}  ${promise}`);
    for (const breach of breaches.slice(0, BREACHES_SHOWN)) console.log(`        ${breach}`);
    if (breaches.length > BREACHES_SHOWN) console.log(`        and ${breaches.length - BREACHES_SHOWN} more`);
  }
  const count = found.reduce((sum, { breaches }) => sum + breaches.length, 0);
  console.log(`\nseed ${seed}: ${count === 0 ? 'every promise kept' : `${count} breaches`}`);
  return count;
}

function summary(evidence: Evidence): string {
  const { requests, messages, taken, faults, drainedMs, connectionPeaks } = evidence;
  const accepted = requests.filter(({ answer }) => answer.kind === 'accepted').length;
  const copies = [...Map.groupBy(taken, ({ subject }) => subject).values()];
  const slowest = Math.max(0, ...recoveries(evidence).map(({ tookMs }) => tookMs));
  const failed = [...messages.values()].filter((message) => message?.status === 'failed').length;
  return [
    `${requests.length} requests, ${accepted} accepted, ${faults.length} faults`,
    `${copies.length} messages reached Exchange, ${copies.filter(({ length }) => length > 1).length} more than once; it refused ${failed}`,
    `connections at a time: ${[...connectionPeaks.values()].join(', ')}; slowest recovery of a killed worker's message: ${slowest} ms`,
    `all messages were final ${drainedMs} ms after the last fault\n`,
  ].join('\n');
}
