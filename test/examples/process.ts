/** Runs a program to its end, and relay365 as its users run it: a process of its own, on a free port. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { onTestFinished } from 'vitest';
import { type Command, ROOT } from './languages.ts';

export interface Ended {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs a program until it ends, with these variables beside the usual ones. */
export async function runToEnd(
  [program, ...args]: Command,
  variables: Readonly<Record<string, string>>,
  cwd: string,
): Promise<Ended> {
  const child = spawn(program, args, {
    cwd,
    env: { ...usualVariables(), ...variables },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const output = { stdout: '', stderr: '' };
  child.stdout.setEncoding('utf8').on('data', (text: string) => (output.stdout += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => (output.stderr += text));
  const [code] = (await once(child, 'close')) as [number | null];
  return { code, ...output };
}

export interface Service {
  readonly url: string;
  close(): Promise<void>;
}

/** Starts relay365 with the sandbox and a Redis of its own. */
export async function startService(variables: Readonly<Record<string, string>> = {}): Promise<Service> {
  const dataDir = mkdtempSync(join(tmpdir(), 'relay365-examples-'));
  const child = spawn(process.execPath, [join(ROOT, 'src/start.ts')], {
    cwd: dataDir,
    env: { ...usualVariables(), PORT: '0', DATA_DIR: dataDir, ...variables },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const ended = once(child, 'exit');
  const url = await Promise.race([
    readUrl(createInterface(child.stdout)),
    ended.then(([code]) => Promise.reject(new Error(`relay365 ended with ${String(code)} before it was ready`))),
  ]);
  // Nobody reads on: its log must not fill the pipe.
  child.stdout.resume();
  return {
    url,
    close: async () => {
      child.kill('SIGTERM');
      await ended;
      rmSync(dataDir, { recursive: true, force: true });
    },
  };
}

/** An empty folder until the test ends. */
export function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'relay365-example-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

async function readUrl(lines: AsyncIterable<string>): Promise<string> {
  for await (const line of lines) {
    const url = /API ready at (http:\/\/[\d.]+:\d+)/.exec(line)?.[1];
    if (url) return url;
  }
  throw new Error('relay365 closed its log before it was ready');
}

/** The environment without relay365's own variables: a tenant that is configured here must not get test mails. */
function usualVariables(): Record<string, string> {
  const own = /^(M365|AZURE|SMTP|REDIS|RELAY365|API)_|^(HOST|PORT|DATA_DIR|CONFIG_FILE|LOG_LEVEL)$/;
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => !own.test(name))) as Record<string, string>;
}
