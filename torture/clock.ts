/**
 * Loaded into a process by `--import`. On SIGUSR2 the process's clock (`Date`) jumps to the offset in TORTURE_CLOCK_FILE.
 * Timers are not affected, as when a machine's clock is set.
 */
import { existsSync, readFileSync } from 'node:fs';

const { TORTURE_CLOCK_FILE: file } = process.env;
const TrueDate = Date;
let offsetMs = 0;

const now = (): number => TrueDate.now() + offsetMs;

globalThis.Date = new Proxy(TrueDate, {
  get: (target, name, receiver) => (name === 'now' ? now : Reflect.get(target, name, receiver)),
  apply: () => new TrueDate(now()).toString(),
  construct: (target, args, newTarget) => Reflect.construct(target, args.length === 0 ? [now()] : args, newTarget),
});

process.on('SIGUSR2', () => {
  if (file !== undefined && existsSync(file)) offsetMs = Number(readFileSync(file, 'utf8'));
});
