/** A Postfix of a test's own, with the page's lines in its main.cf: it listens nowhere and sends through relay365. */
import { execFileSync } from 'node:child_process';
import { chmodSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import type { Command } from '../examples/languages.ts';

const SASL_PASSWD = '/etc/postfix/sasl_passwd';

/** Only what sends. See master(5). */
const MASTER = `
pickup unix n - n 60 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
tlsmgr unix - - n 1000? 1 tlsmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
proxymap unix - - n - - proxymap
smtp unix - - n - - smtp
error unix - - n - - error
retry unix - - n - - error
scache unix - - n - 1 scache
postlog unix-dgram n - n - 1 postlogd
`;

/** Starts it until the test's end; the answer is the program by which it takes a mail. */
export function startPostfix([mainLines = '', login = '']: readonly string[], folder: string): Command {
  const config = join(folder, 'postfix');
  for (const path of [config, join(folder, 'queue'), join(folder, 'data')]) mkdirSync(path);
  // Its processes are no longer root when they come here.
  for (const path of [folder, config]) chmodSync(path, 0o755);
  const passwords = join(config, 'sasl_passwd');
  writeFileSync(passwords, `${login}\n`);
  writeFileSync(join(config, 'master.cf'), MASTER);
  writeFileSync(join(config, 'main.cf'), `${ownLines(folder)}\n${mainLines.replaceAll(SASL_PASSWD, passwords)}\n`);
  run('chown', 'postfix', join(folder, 'data'));
  run('/usr/sbin/postmap', '-c', config, `hash:${passwords}`);
  onTestFinished(() => run('/usr/sbin/postfix', '-c', config, 'abort'));
  run('/usr/sbin/postfix', '-c', config, 'start');
  return ['/usr/sbin/sendmail', '-C', config, '-i'];
}

function run(program: string, ...args: readonly string[]): void {
  execFileSync(program, args, { stdio: 'pipe' });
}

function ownLines(folder: string): string {
  return [
    'compatibility_level = 3.6',
    `queue_directory = ${join(folder, 'queue')}`,
    `data_directory = ${join(folder, 'data')}`,
    `maillog_file = ${join(folder, 'mail.log')}`,
    `maillog_file_prefixes = ${folder}`,
    'myhostname = postfix.example',
    'mydestination =',
    'alias_maps =',
    'inet_protocols = ipv4',
    'smtp_host_lookup = native',
  ].join('\n');
}
