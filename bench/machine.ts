/** The machine that the figures were measured on. Without it they mean nothing elsewhere. */
import { fdatasyncSync, mkdtempSync, openSync, rmSync, writeSync } from 'node:fs';
import { cpus, tmpdir, totalmem } from 'node:os';
import { join } from 'node:path';
import { execFileSync } from 'node:child_process';
import { nowMs } from './clock.ts';
import { quantile } from './measure.ts';

const FSYNCS = 200;

export function describeMachine(): string {
  const [first] = cpus();
  const redis = /v=([\d.]+)/.exec(execFileSync('redis-server', ['--version'], { encoding: 'utf8' }))?.[1];
  const memory = Math.round(totalmem() / 1024 ** 3);
  return `${cpus().length} × ${first?.model.trim() ?? 'CPU'}, ${memory} GB, Node ${process.versions.node}, Redis ${redis ?? '?'}`;
}

/** The median time that a write takes to reach the disk. It changes from one minute to the next. */
export function measureFsyncMs(): number {
  const dir = mkdtempSync(join(tmpdir(), 'relay365-fsync-'));
  const file = openSync(join(dir, 'file'), 'w');
  const page = Buffer.alloc(4_096);
  const times = Array.from({ length: FSYNCS }, () => {
    const startedAt = nowMs();
    writeSync(file, page);
    fdatasyncSync(file);
    return nowMs() - startedAt;
  });
  rmSync(dir, { recursive: true });
  return quantile(times, 0.5);
}
