/**
 * The measured programs, each in its own process, and what they cost. They end when the benchmark ends, however it ends.
 */
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { openSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { sleep } from './clock.ts';

export const ROOT = fileURLToPath(new URL('..', import.meta.url));

export interface Process {
  readonly pid: number;
}

export interface Program extends Process {
  /** Sends a question to the program and waits for its answer (process.send on both sides). */
  ask<Answer>(question: unknown): Promise<Answer>;
  close(): Promise<void>;
}

export interface ProgramOptions {
  /** From the repository's root. */
  readonly file: string;
  /** All variables that the program gets, except PATH, HOME and TMPDIR. */
  readonly env: Readonly<Record<string, string>>;
  /** Its working directory; what it prints goes to a file there. */
  readonly dir: string;
  readonly execArgv?: readonly string[];
}

const OUTPUT = 'output.log';
const READY_TIMEOUT_MS = 30_000;
const LAST_WORDS_LENGTH = 2_000;
const END_TIMEOUT_MS = 20_000;

export function start({ file, env, dir, execArgv = [] }: ProgramOptions): Program {
  const output = openSync(join(dir, OUTPUT), 'a');
  const child = fork(join(ROOT, file), {
    cwd: dir,
    env: { ...inherited(), ...env },
    execArgv: [...execArgv],
    stdio: ['ignore', output, output, 'ipc'],
  });
  killAtExit(child);
  // The program answers one question at a time.
  let last: Promise<unknown> = Promise.resolve();
  return {
    pid: child.pid ?? 0,
    ask: <Answer>(question: unknown) => {
      last = last.then(() => ask(child, question, file));
      return last as Promise<Answer>;
    },
    close: () => end(child),
  };
}

function inherited(): NodeJS.ProcessEnv {
  const { PATH, HOME, TMPDIR } = process.env;
  return { PATH, HOME, ...(TMPDIR && { TMPDIR }) };
}

function ask(child: ChildProcess, question: unknown, file: string): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const onExit = () => reject(new Error(`${file} ended before it answered: see its output.log.`));
    child.once('exit', onExit);
    child.once('message', (answer) => {
      child.off('exit', onExit);
      resolve(answer);
    });
    child.send(question as object);
  });
}

/** Ends with the child: a killed benchmark leaves no process behind. */
export function killAtExit(child: ChildProcess): void {
  const kill = () => child.kill('SIGKILL');
  process.once('exit', kill);
  child.once('exit', () => process.off('exit', kill));
}

export async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = once(child, 'exit');
  child.kill('SIGTERM');
  const late = setTimeout(() => child.kill('SIGKILL'), END_TIMEOUT_MS);
  await ended;
  clearTimeout(late);
}

/** Waits until a server answers with 2xx. If it fails, the error shows the last output of the program in `dir`. */
export async function untilReady(url: string, dir: string): Promise<void> {
  for (const endsAt = Date.now() + READY_TIMEOUT_MS; Date.now() < endsAt; await sleep(50)) {
    const response = await fetch(url).catch(() => undefined);
    await response?.body?.cancel();
    if (response?.ok) return;
  }
  const lastWords = readFileSync(join(dir, OUTPUT), 'utf8').slice(-LAST_WORDS_LENGTH);
  throw new Error(`${url} did not become ready: ${lastWords}`);
}

export interface Usage {
  /** CPU time since the process started. */
  readonly cpuMs: number;
  readonly residentBytes: number;
  /** The maximum since the process started. */
  readonly residentBytesMax: number;
}

/** A clock tick of /proc is 10 ms on every Linux. */
const TICK_MS = 10;

/** The CPU time that these processes have used so far, together. */
export function cpuMsOf(processes: readonly Process[]): number {
  return processes.reduce((sum, process) => sum + usageOf(process).cpuMs, 0);
}

/** What a process has used so far. Needs Linux's /proc; proc_pid_stat(5), proc_pid_status(5). */
export function usageOf({ pid }: Process): Usage {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  // The name, in parentheses, may contain spaces. The fields from the third on follow it.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  const kilobytes = (name: string) => Number(new RegExp(`${name}:\\s+(\\d+)`).exec(status)?.[1] ?? Number.NaN);
  return {
    cpuMs: (Number(fields[11]) + Number(fields[12])) * TICK_MS,
    residentBytes: kilobytes('VmRSS') * 1024,
    residentBytesMax: kilobytes('VmHWM') * 1024,
  };
}
