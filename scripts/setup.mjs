/**
 * Runs before every npm script and sees to what it needs, on a fresh machine with nothing but Node and npm: the
 * packages of the lockfile (Node 24 is one of them), with `--redis` a Redis server program, and with `--luacheck` luacheck. On a machine that has
 * them it takes some milliseconds. It runs under the machine's own Node, so it uses nothing but what Node 20 brings.
 */
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { accessSync, constants, existsSync, readFileSync, writeFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const STAMP = join(ROOT, 'node_modules', '.relay365-setup');

/** Each knows how to install a package; the first that the machine has is asked. */
const PACKAGE_MANAGERS = [
  {
    program: 'apt-get',
    prepare: [['update', '-qq']],
    install: ['install', '-y', '-qq', '--no-install-recommends'],
    packages: { redis: 'redis-server', luacheck: 'lua-check' },
  },
  { program: 'apk', install: ['add', '--no-cache'], packages: { redis: 'redis', luacheck: 'luacheck' } },
  { program: 'dnf', install: ['install', '-y'], packages: { redis: 'valkey', luacheck: 'luacheck' } },
  { program: 'pacman', install: ['-Sy', '--noconfirm'], packages: { redis: 'valkey', luacheck: 'luacheck' } },
  { program: 'zypper', install: ['--non-interactive', 'install'], packages: { redis: 'redis', luacheck: 'luacheck' } },
  { program: 'brew', install: ['install'], packages: { redis: 'redis', luacheck: 'luacheck' }, asUser: true },
];

installPackages();
if (process.argv.includes('--redis') && needsRedis()) installRedis();
if (process.argv.includes('--luacheck')) installLuacheck();

/** Installs the lockfile's packages unless these very ones are there, whole. */
function installPackages() {
  const lockfile = readFileSync(join(ROOT, 'package-lock.json'));
  const wanted = createHash('sha256').update(lockfile).update(`${process.platform}-${process.arch}`).digest('hex');
  if (existsSync(STAMP) && readFileSync(STAMP, 'utf8') === wanted) return;
  say('Installing the packages (this happens once and takes about half a minute) …');
  // npm names itself to its scripts; a script run without it finds npm on the PATH.
  const npm = process.env.npm_execpath;
  const args = ['ci', '--include=dev', '--no-audit', '--no-fund', '--loglevel=error'];
  const { status } = npm
    ? spawnSync(process.execPath, [npm, ...args], { cwd: ROOT, stdio: 'inherit' })
    : spawnSync('npm', args, { cwd: ROOT, stdio: 'inherit', shell: process.platform === 'win32' });
  if (status !== 0) fail('npm ci failed; see its output above. Fix the cause and run the command again.');
  // Written last: an installation that was broken off is done again.
  writeFileSync(STAMP, wanted);
}

/** `npm start` with a Redis of its own needs none here; the tests always do. */
function needsRedis() {
  return process.env.npm_lifecycle_event !== 'prestart' || !variable('REDIS_URL');
}

/** From the environment or from `.env`. */
function variable(name) {
  if (process.env[name]) return process.env[name];
  const file = join(ROOT, '.env');
  if (!existsSync(file)) return undefined;
  return new RegExp(`^\\s*(?:export\\s+)?${name}\\s*=\\s*(.+)$`, 'm').exec(readFileSync(file, 'utf8'))?.[1];
}

function installRedis() {
  const { names, folders } = JSON.parse(readFileSync(join(ROOT, 'src/queue/redis/redis-programs.json'), 'utf8'));
  const command = install('redis', () => names.some((name) => find(name, folders)));
  if (command === undefined) return;
  fail(
    `relay365 needs a Redis server program for its own queue, and could not install one. Please run: ${command}\nOr set REDIS_URL to a Redis that you have.`,
  );
}

function installLuacheck() {
  const command = install('luacheck', () => find('luacheck'));
  if (command !== undefined)
    fail(`The Lua scripts are checked by luacheck, which is not installed. Please run: ${command}`);
}

/** Installs a package unless it is there; answers the command that a person must run when this did not succeed. */
function install(name, isThere) {
  if (isThere()) return undefined;
  const manager = PACKAGE_MANAGERS.find(({ program }) => find(program));
  if (!manager) return `install ${name}`;
  const { program, prepare = [], asUser } = manager;
  const args = [...manager.install, manager.packages[name]];
  const prefix = privileges(manager);
  if (prefix) {
    say(`Installing ${name} by ${program} …`);
    for (const step of [...prepare, args]) run([...prefix, program, ...step]);
  }
  return isThere() ? undefined : `${asUser ? '' : 'sudo '}${program} ${args.join(' ')}`;
}

/** What to put before a package manager's command; undefined when this user may not install. */
function privileges({ asUser }) {
  if (asUser || process.getuid?.() === 0) return [];
  return find('sudo') && spawnSync('sudo', ['-n', 'true'], { stdio: 'ignore' }).status === 0
    ? ['sudo', '-n']
    : undefined;
}

function run([program, ...args]) {
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
  // What it says is shown only when it fails: apt-get has much to say.
  const { status, stdout, stderr } = spawnSync(program, args, { env, encoding: 'utf8' });
  if (status !== 0) say(`${program} ${args.join(' ')} did not succeed:\n${(stdout + stderr).trim().slice(-1_000)}`);
}

/** The program's file on the PATH or in the folders. */
function find(name, folders = []) {
  const all = [...(process.env.PATH ?? '').split(delimiter).filter(Boolean), ...folders];
  return all.map((folder) => join(folder, name)).find((file) => isExecutable(file));
}

function isExecutable(file) {
  try {
    accessSync(file, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

function say(text) {
  process.stderr.write(`${text}\n`);
}

function fail(text) {
  say(text);
  process.exit(1);
}
