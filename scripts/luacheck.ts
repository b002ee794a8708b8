/**
 * Checks the Lua scripts as Redis gets them, with includes and names in place, by luacheck; and that each `.lua` file is
 * part of one.
 */
import { spawnSync } from 'node:child_process';
import { globSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { ACCEPT_SCRIPTS } from '../src/queue/accept/scripts.ts';
import { LEASE_SCRIPTS, STATUS_SCRIPTS, THROTTLE_SCRIPTS } from '../src/queue/limits/scripts.ts';
import { RECORD_SCRIPTS } from '../src/queue/records/scripts.ts';
import { expand } from '../src/queue/redis/lua.ts';
import { JOB_RESCUER_SCRIPTS, PRUNE_SCRIPTS } from '../src/queue/upkeep/scripts.ts';
import { WORK_SCRIPTS } from '../src/queue/work/scripts.ts';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const GLOBALS = ['redis', 'cjson', 'cmsgpack', 'KEYS', 'ARGV'];
const TABLES = [
  ACCEPT_SCRIPTS,
  JOB_RESCUER_SCRIPTS,
  LEASE_SCRIPTS,
  PRUNE_SCRIPTS,
  RECORD_SCRIPTS,
  STATUS_SCRIPTS,
  THROTTLE_SCRIPTS,
  WORK_SCRIPTS,
];

const scripts = TABLES.flatMap((table) => Object.values(table)).map((script) => expand(script));
const used = new Set(scripts.flatMap(({ files }) => files.map((file) => fileURLToPath(file))));
const unused = globSync('src/**/*.lua', { cwd: ROOT }).filter((file) => !used.has(join(ROOT, file)));
const folder = mkdtempSync(join(tmpdir(), 'relay365-lua-'));
try {
  for (const { lua, files } of scripts) writeFileSync(join(folder, basename(files[0]?.pathname ?? '')), lua);
  const options = ['--std', 'lua51', '--read-globals', ...GLOBALS, '--no-max-line-length', '--quiet'];
  const { status, error } = spawnSync('luacheck', ['.', ...options], { cwd: folder, stdio: 'inherit' });
  if (error) process.stderr.write('luacheck is not installed; Debian has it as lua-check: apt-get install lua-check\n');
  for (const file of unused) process.stderr.write(`${file} is part of no script.\n`);
  process.exitCode = status === 0 && unused.length === 0 ? 0 : 1;
} finally {
  rmSync(folder, { recursive: true });
}
