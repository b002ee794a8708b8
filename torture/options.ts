/** The command line: `npm run torture -- --quick --seed 7 --minutes 5`. */
import { parseArgs } from 'node:util';

export interface Options {
  readonly seed: number;
  /** How long messages are sent and faults are injected. */
  readonly loadMs: number;
  /** How long to wait for the last messages after all faults are over. */
  readonly drainMs: number;
  /** Without the long faults. */
  readonly quick: boolean;
}

const QUICK_LOAD_MS = 20_000;
const QUICK_DRAIN_MS = 60_000;
const DRAIN_MS = 240_000;
/** The part of `--minutes` that is kept for the end: a killed worker's message, a held mailbox. */
const END_SHARE = 0.15;

/** @throws Error that says what is wrong with the command line. */
export function readOptions(args: readonly string[]): Options {
  const { values } = parseArgs({
    args: [...args],
    options: {
      quick: { type: 'boolean', default: false },
      seed: { type: 'string', default: String(Date.now() % 1_000_000) },
      minutes: { type: 'string', default: '5' },
    },
  });
  const seed = positive(values.seed, '--seed');
  const minutes = positive(values.minutes, '--minutes');
  if (values.quick) return { seed, loadMs: QUICK_LOAD_MS, drainMs: QUICK_DRAIN_MS, quick: true };
  return { seed, loadMs: minutes * 60_000 * (1 - END_SHARE), drainMs: DRAIN_MS, quick: false };
}

function positive(text: string, name: string): number {
  const number = Number(text);
  if (text.trim() === '' || !Number.isFinite(number) || number < 0) throw new Error(`${name} must be a number.`);
  return number;
}
