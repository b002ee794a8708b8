/**
 * Haraka as a submission server that queues files on disk: what you would write with it in an afternoon. It is not a
 * package of this project. npm installs it into the benchmark's folder when it is measured.
 */
import { execFileSync, spawn } from 'node:child_process';
import { copyFileSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type SmtpServer, serve } from '../smtp-source.ts';

/** Each message is a file. It is on disk before its 250, and gets its final name only when it is complete. */
const PLUGIN = `
const fs = require('node:fs');
exports.hook_rcpt = (next) => next(OK);
exports.hook_queue = (next, { transaction }) => {
  const file = 'queue/' + transaction.uuid;
  const out = fs.createWriteStream(file + '.new', { flush: true });
  out.once('error', () => next(DENYSOFT));
  out.once('close', () => fs.rename(file + '.new', file, (err) => next(err ? DENYSOFT : OK)));
  transaction.message_stream.pipe(out);
};
`;

/** @throws Error when npm cannot install it. */
export async function openHaraka(parent: string): Promise<SmtpServer> {
  const dir = join(parent, 'haraka');
  for (const name of ['config', 'plugins', 'queue']) mkdirSync(join(dir, name), { recursive: true });
  writeFileSync(join(dir, 'package.json'), '{"private": true}');
  const quiet = ['--omit=optional', '--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error'];
  execFileSync('npm', ['install', ...quiet, 'Haraka@3'], { cwd: dir, stdio: 'pipe' });
  const own = join(dir, 'node_modules/Haraka');
  copyFileSync(join(own, 'config/connection.ini'), join(dir, 'config/connection.ini'));
  writeFileSync(join(dir, 'plugins/queue_to_disk.js'), PLUGIN);
  return serve((port) => {
    const config = { 'smtp.ini': `listen=127.0.0.1:${port}\nnodes=0\n`, plugins: 'queue_to_disk', loglevel: 'LOGCRIT' };
    for (const [name, text] of Object.entries(config)) writeFileSync(join(dir, 'config', name), text);
    return spawn(process.execPath, [join(own, 'bin/haraka'), '-c', dir], { cwd: dir, stdio: 'ignore' });
  });
}
