/** Debian packages that a test needs: installed by the test itself where it may, as CI does on a fresh machine. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ROOT } from './process.ts';

/** Ample: other tests may be installing at the same time. */
export const INSTALL_TIMEOUT_MS = 300_000;

const LAST_WORDS_LENGTH = 500;

/** Nothing may be taken from the machine for it, and no service may be started that was not asked for. */
const INSTALL = 'apt-get -o DPkg::Lock::Timeout=120 install -y -qq --no-install-recommends --no-remove';

/** Installs those that there are; tells why it could not. */
export async function installPackages(names: readonly string[]): Promise<string | undefined> {
  if (process.getuid?.() !== 0) return 'only root may install packages';
  const script = [
    // A lock of our own: that of `apt-get update` does not wait for others.
    `exec 9> ${join(tmpdir(), 'relay365-apt.lock')}; flock 9`,
    PRESEED,
    'apt-get update -qq',
    // Another Debian may lack one of them, and the rest is wanted all the same.
    `known=$(for name in ${names.join(' ')}; do apt-cache show $name > /dev/null 2>&1 && echo $name; done)`,
    `${INSTALL} $known`,
  ].join('\n');
  const child = spawn('sh', ['-c', script], {
    cwd: ROOT,
    env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => (output += text));
  }
  const result = once(child, 'close').catch((error: Error) => [error.message]);
  const [code] = (await result) as [number | string];
  return code === 0 ? undefined : `${names.join(', ')} can't be installed: ${output.slice(-LAST_WORDS_LENGTH)}`;
}

/** Postfix asks what it shall be: nothing, until a test gives it a configuration of its own. */
const PRESEED = "echo 'postfix postfix/main_mailer_type select No configuration' | debconf-set-selections";
