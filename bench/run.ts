/**
 * `npm run bench [-- PART… --rounds N --full --docs --profile DIR]`: measures relay365 against what you would
 * otherwise write or use, in the same run on the same machine. All parts take about ten minutes.
 */
import { mkdirSync } from 'node:fs';
import { resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { describeMachine, measureFsyncMs } from './machine.ts';
import type { Bench, Part } from './measure.ts';
import { accept } from './measures/accept.ts';
import { acceptTwo } from './measures/accept-two.ts';
import { backlog } from './measures/backlog.ts';
import { batch } from './measures/batch.ts';
import { costs } from './measures/costs.ts';
import { drain } from './measures/drain.ts';
import { latency } from './measures/latency.ts';
import { listing } from './measures/listing.ts';
import { mailboxes } from './measures/mailboxes.ts';
import { memory } from './measures/memory.ts';
import { smtpIn } from './measures/smtp-in.ts';
import { throttled } from './measures/throttled.ts';
import { keepResults, readResults, writeDocs } from './results.ts';
import { formatTable } from './table.ts';

const PARTS: Readonly<Record<string, Part>> = {
  accept,
  'accept-two': acceptTwo,
  batch,
  'smtp-in': smtpIn,
  drain,
  throttled,
  latency,
  memory,
  backlog,
  listing,
  mailboxes,
  costs,
};
const ROUNDS = '5';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    rounds: { type: 'string', default: ROUNDS },
    full: { type: 'boolean', default: false },
    docs: { type: 'boolean', default: false },
    profile: { type: 'string' },
    help: { type: 'boolean', default: false },
  },
});

if (values.help) {
  console.log(
    `npm run bench -- [PART…] [--rounds N] [--full] [--docs] [--profile DIR]\nParts: ${Object.keys(PARTS).join(', ')}`,
  );
  process.exit();
}

const names = positionals.length > 0 ? positionals : Object.keys(PARTS);
const unknown = names.filter((name) => !Object.hasOwn(PARTS, name));
if (unknown.length > 0) {
  console.error(`Unknown part: ${unknown.join(', ')}. The parts are ${Object.keys(PARTS).join(', ')}.`);
  process.exit(1);
}

const profileDir = values.profile === undefined ? undefined : resolve(values.profile);
if (profileDir !== undefined) mkdirSync(profileDir, { recursive: true });
const bench: Bench = {
  rounds: Number(values.rounds),
  full: values.full,
  ...(profileDir !== undefined && { profileDir }),
  say: (text) => console.error(`… ${text}`),
};

process.once('SIGINT', () => process.exit(130));
const machine = describeMachine();
const fsyncMs = measureFsyncMs();
console.log(`${machine}; a write reaches the disk in ${fsyncMs.toFixed(2)} ms`);
for (const name of names) {
  const rows = await (PARTS[name] as Part)(bench);
  keepResults(name, { machine, fsyncMs, rows });
  console.log(formatTable(rows));
}
if (values.docs) writeDocs(readResults());
