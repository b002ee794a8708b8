/**
 * One process of relay365 that faults end and start again, one after the other, as an orchestrator does. Each end is
 * recorded, so that an unexpected one is noticed.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { createWriteStream, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { makeMutex } from './mutex.ts';

export interface ManagedProcessOptions {
  readonly name: string;
  /** `src/api.ts`, `src/worker.ts` */
  readonly file: string;
  readonly env: Readonly<Record<string, string>>;
  /** Logs and the clock's file. */
  readonly folder: string;
  /** The log line that says that the process is ready. */
  readonly ready: RegExp;
}

export interface ProcessEnd {
  readonly name: string;
  /** When the signal was sent, or when the process ended by itself. */
  readonly at: number;
  /** The signal that was sent. Undefined if none was. */
  readonly asked?: NodeJS.Signals;
  /** The exit code, or the signal that ended it. */
  readonly result: number | NodeJS.Signals;
  readonly tookMs: number;
}

export interface ManagedProcess {
  readonly name: string;
  /** The log lines that say what is ready, and where. Empty while the process does not run. */
  readonly readyLines: readonly string[];
  readonly ends: readonly ProcessEnd[];
  /** Resolves when the process says that it is ready. */
  start(): Promise<void>;
  /** Ends the process after what is queued before. With `downMs` it starts again after that time. */
  end(signal: 'SIGKILL' | 'SIGTERM', downMs?: number): Promise<void>;
  /** Stops the process with SIGSTOP for this long. */
  freeze(forMs: number): Promise<void>;
  /** Sets the process's clock to an offset from the true one. */
  setClock(offsetMs: number): void;
}

const POLL_MS = 20;
const READY = /\bready\b/;
const CLOCK = fileURLToPath(new URL('clock.ts', import.meta.url));
const ROOT = fileURLToPath(new URL('..', import.meta.url));

interface State {
  readonly ends: ProcessEnd[];
  child?: ChildProcess;
  readyLines: string[];
  asked?: { readonly signal: NodeJS.Signals; readonly at: number } | undefined;
}

export function manageProcess(options: ManagedProcessOptions): ManagedProcess {
  const state: State = { ends: [], readyLines: [] };
  const mutex = makeMutex();
  return {
    name: options.name,
    ends: state.ends,
    get readyLines() {
      return state.readyLines;
    },
    start: () =>
      mutex(async () => {
        launch(options, state);
        while (!state.readyLines.some((line) => options.ready.test(line))) await delay(POLL_MS);
      }),
    end: (signal, downMs) =>
      mutex(async () => {
        await endProcess(state, signal);
        if (downMs === undefined) return;
        await delay(downMs);
        launch(options, state);
      }),
    freeze: (forMs) =>
      mutex(async () => {
        state.child?.kill('SIGSTOP');
        await delay(forMs);
        state.child?.kill('SIGCONT');
      }),
    setClock: (offsetMs) => {
      writeFileSync(clockFile(options), String(offsetMs));
      // A process that is not ready may not handle the signal yet and would die. It gets the signal when it is ready.
      if (state.readyLines.length > 0) state.child?.kill('SIGUSR2');
    },
  };
}

function clockFile({ folder, name }: ManagedProcessOptions): string {
  return join(folder, `${name}.clock`);
}

/** Starts the process. It is ready when its log says so, which can take as long as Redis is away. */
function launch(options: ManagedProcessOptions, state: State): void {
  const { folder, name, file, env } = options;
  const child = spawn(process.execPath, ['--import', CLOCK, join(ROOT, file)], {
    cwd: folder,
    env: { ...env, TORTURE_CLOCK_FILE: clockFile(options) },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  state.child = child;
  const log = createWriteStream(join(folder, `${name}.log`), { flags: 'a' });
  for (const stream of [child.stdout, child.stderr]) {
    createInterface(stream).on('line', (line) => {
      log.write(`${line}\n`);
      if (!READY.test(line)) return;
      state.readyLines.push(line);
      child.kill('SIGUSR2');
    });
  }
  child.once('exit', (code, signal) => {
    const { asked } = state;
    state.readyLines = [];
    state.asked = undefined;
    const at = asked?.at ?? Date.now();
    const result = signal ?? code ?? -1;
    state.ends.push({ name, at, result, tookMs: Date.now() - at, ...(asked && { asked: asked.signal }) });
  });
}

async function endProcess(state: State, signal: NodeJS.Signals): Promise<void> {
  const { child } = state;
  if (!child || child.exitCode !== null || child.signalCode !== null) return;
  const exited = new Promise((resolve) => child.once('exit', resolve));
  state.asked = { signal, at: Date.now() };
  child.kill(signal);
  await exited;
}
