/** relay365's processes, as an orchestrator starts, stops and kills them. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { onTestFinished } from 'vitest';

export const ROOT = fileURLToPath(new URL('../..', import.meta.url));
/** Each process compiles the same sources: half of what a start costs. */
const NODE_COMPILE_CACHE = join(ROOT, 'node_modules/.cache/compiled');

export interface TestProcess {
  readonly child: ChildProcess;
  /** All lines so far, of both outputs. */
  readonly lines: readonly string[];
  /** Resolves with the first line, past or to come, that fits; rejects when the process ends without one. */
  line(pattern: RegExp): Promise<string>;
  /** Sends the signal and waits for the end; the exit code, or the signal that ended it. */
  end(signal?: NodeJS.Signals): Promise<number | NodeJS.Signals>;
  /** Resolves with the exit code, or the signal that ended it. */
  readonly ended: Promise<number | NodeJS.Signals>;
}

/** Runs a file of relay365 until the test's end, with these variables and nothing of this machine's configuration. */
export function startProcess(
  file: string,
  variables: Readonly<Record<string, string>>,
  parameters: readonly string[] = [],
): TestProcess {
  const options = { cwd: temporaryFolder(), env: environment(variables) };
  return follow(spawn(process.execPath, [join(ROOT, file), ...parameters], options));
}

export function environment(variables: Readonly<Record<string, string>>): Record<string, string> {
  const { PATH = '', HOME = '', TMPDIR } = process.env;
  return { PATH, HOME, NODE_COMPILE_CACHE, ...(TMPDIR && { TMPDIR }), ...variables };
}

export function follow(child: ChildProcess): TestProcess {
  const lines: string[] = [];
  const listeners = new Set<() => void>();
  for (const stream of [child.stdout, child.stderr]) {
    if (!stream) continue;
    createInterface(stream).on('line', (line) => {
      lines.push(line);
      for (const listener of listeners) listener();
    });
  }
  const ended = once(child, 'close').then(([code, signal]) => (signal ?? code) as number | NodeJS.Signals);
  onTestFinished(() => endFor(child, ended));
  return {
    child,
    lines,
    ended,
    line: (pattern) => firstLine(lines, listeners, ended, pattern),
    end: (signal = 'SIGTERM') => {
      child.kill(signal);
      return ended;
    },
  };
}

/** How long a process may take to end by itself: one that has a Redis of its own would leave it behind. */
const END_MS = 3_000;

async function endFor(child: ChildProcess, ended: Promise<unknown>): Promise<void> {
  child.kill('SIGTERM');
  const late = setTimeout(() => child.kill('SIGKILL'), END_MS);
  await ended;
  clearTimeout(late);
}

function firstLine(
  lines: readonly string[],
  listeners: Set<() => void>,
  ended: Promise<unknown>,
  pattern: RegExp,
): Promise<string> {
  return new Promise((resolve, reject) => {
    const look = () => {
      const found = lines.find((line) => pattern.test(line));
      if (found === undefined) return;
      listeners.delete(look);
      resolve(found);
    };
    listeners.add(look);
    look();
    void ended.then((code) =>
      reject(new Error(`It ended with ${String(code)} before ${pattern}:\n${lines.join('\n')}`)),
    );
  });
}

/** An empty folder until the test's end. */
export function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'relay365-test-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** A file with this content until the test's end. */
export function temporaryFile(name: string, content: string | Uint8Array): string {
  const file = join(temporaryFolder(), name);
  writeFileSync(file, content);
  return file;
}
