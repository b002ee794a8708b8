/** Postfix's load generator, and its sink, which keeps nothing. They need so little that the other end is what is measured. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { connect } from 'node:net';
import { nowMs, sleep } from './clock.ts';
import { end, killAtExit } from './process.ts';
import { freePort } from './redis.ts';
import { MAILBOX } from './relay365.ts';

const SMTP_SOURCE = '/usr/sbin/smtp-source';
const SMTP_SINK = '/usr/sbin/smtp-sink';
const SESSIONS = 10;
const BYTES = 2_048;
const READY_TIMEOUT_MS = 30_000;

export interface SmtpServer {
  readonly port: number;
  close(): Promise<void>;
}

export function hasSmtpSource(): boolean {
  return existsSync(SMTP_SOURCE) && existsSync(SMTP_SINK);
}

/** Sends this many messages over connections that stay open. Resolves with messages per second. */
export async function sendBySmtp({ port }: Pick<SmtpServer, 'port'>, mails: number): Promise<number> {
  const load = ['-d', '-s', String(SESSIONS), '-m', String(mails), '-l', String(BYTES)];
  const envelope = ['-f', MAILBOX, '-t', 'zoe@customer.example'];
  const startedAt = nowMs();
  const child = spawn(SMTP_SOURCE, [...load, ...envelope, `127.0.0.1:${port}`], {
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  killAtExit(child);
  let lastWords = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => (lastWords += text));
  const [code] = (await once(child, 'close')) as [number | null];
  if (code !== 0) throw new Error(`smtp-source: ${lastWords}`);
  return (1_000 * mails) / (nowMs() - startedAt);
}

export function openSmtpSink(): Promise<SmtpServer> {
  const user = process.getuid?.() === 0 ? ['-u', 'nobody'] : [];
  return serve((port) => spawn(SMTP_SINK, [...user, `127.0.0.1:${port}`, '100'], { stdio: 'ignore' }));
}

/** Resolves when it greets. */
export async function serve(open: (port: number) => ChildProcess): Promise<SmtpServer> {
  const port = await freePort();
  const child = open(port);
  killAtExit(child);
  for (const endsAt = Date.now() + READY_TIMEOUT_MS; !(await greets(port)); await sleep(100)) {
    if (Date.now() > endsAt || child.exitCode !== null) throw new Error(`${child.spawnfile} did not become ready.`);
  }
  return { port, close: () => end(child) };
}

function greets(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    socket.once('data', (data) => {
      resolve(data.toString().startsWith('220'));
      socket.destroy();
    });
    socket.once('error', () => resolve(false));
    socket.once('close', () => resolve(false));
  });
}
