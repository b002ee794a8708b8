/**
 * Adds to package-lock.json the optional packages of other platforms that a registry mirror without them made
 * `npm install` leave out; `npm ci` refuses a lockfile that lacks them, on every platform. Run it after a change of
 * dependencies made behind such a mirror; with a full registry it changes nothing.
 */
import { readFileSync, writeFileSync } from 'node:fs';

const OS = {
  android: 'android',
  darwin: 'darwin',
  freebsd: 'freebsd',
  linux: 'linux',
  openharmony: 'openharmony',
  win32: 'win32',
};
const CPU = {
  x64: 'x64',
  ia32: 'ia32',
  arm64: 'arm64',
  arm: 'arm',
  ppc64: 'ppc64',
  riscv64: 'riscv64',
  s390x: 's390x',
  wasm32: 'wasm32',
};
const LIBC = { gnu: 'glibc', gnueabihf: 'glibc', musl: 'musl', musleabihf: 'musl' };

const file = new URL('../package-lock.json', import.meta.url);
const lock = JSON.parse(readFileSync(file, 'utf8'));

/** What a platform package's name says of where it runs: `binding-linux-arm-musleabihf` → linux, arm, musl. */
function platformOf(name) {
  const words = name.split(/[-/]/);
  const pick = (table) => words.map((word) => table[word]).find(Boolean);
  const os = pick(OS);
  const cpu = pick(CPU);
  const libc = pick(LIBC);
  return { ...(os && { os: [os] }), ...(cpu && { cpu: [cpu] }), ...(os === 'linux' && libc && { libc: [libc] }) };
}

for (const parent of Object.values(lock.packages)) {
  for (const [name, version] of Object.entries(parent.optionalDependencies ?? {})) {
    const path = `node_modules/${name}`;
    if (lock.packages[path]) continue;
    lock.packages[path] = {
      version: version.replace(/^[\^~]/, ''),
      ...(parent.dev && { dev: true }),
      optional: true,
      ...platformOf(name),
    };
  }
}
lock.packages = Object.fromEntries(Object.entries(lock.packages).sort(([a], [b]) => a.localeCompare(b, 'en')));
writeFileSync(file, `${JSON.stringify(lock, null, 2)}\n`);
