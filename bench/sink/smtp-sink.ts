/**
 * An SMTP server that does as little as possible: STARTTLS, a login that always succeeds, and a 250 for everything. It
 * counts messages and keeps none, so that a benchmark measures the client.
 */
import { once } from 'node:events';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { createSecureContext, type SecureContext, TLSSocket } from 'node:tls';
import type { ServerCertificate } from '../../src/sandbox/certificate.ts';

export interface SinkEvents {
  /** A message's final dot was read; its 250 goes out now. */
  readonly onMessage: () => void;
  /** The number of open connections changed. */
  readonly onConnections: (open: number) => void;
}

const LINE_END = '\r\n';
const FINAL_DOT = '\r\n.\r\n';
const GREETING = '220 sink ESMTP\r\n';
const EXTENSIONS = ['SIZE 157286400', 'PIPELINING', 'DSN', 'ENHANCEDSTATUSCODES', '8BITMIME', 'CHUNKING', 'SMTPUTF8'];

/** Listens on a free port of loopback. Resolves with the port. */
export async function openSmtpSink(certificate: ServerCertificate, events: SinkEvents): Promise<number> {
  const context = createSecureContext({ key: certificate.privateKey, cert: certificate.certificate });
  let open = 0;
  const server = createServer({ noDelay: true }, (socket) => {
    events.onConnections(++open);
    socket.on('close', () => events.onConnections(--open));
    socket.on('error', () => socket.destroy());
    socket.write(GREETING);
    converse(socket, context, events.onMessage);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return (server.address() as AddressInfo).port;
}

/** Reads commands and messages in turns. Bytes that arrive together with STARTTLS are dropped with its socket. */
function converse(socket: Socket, context: SecureContext, onMessage: () => void): void {
  let held: Buffer = Buffer.alloc(0);
  let inData = false;
  /** The next line, or a complete message as an empty line. Undefined until it is complete. */
  const take = (): string | undefined => {
    const mark = inData ? FINAL_DOT : LINE_END;
    const end = held.indexOf(mark);
    const line = end < 0 || inData ? '' : held.toString('latin1', 0, end);
    // While a message goes on, only its end matters, which may arrive in two pieces.
    if (end >= 0) held = held.subarray(end + mark.length);
    else if (inData) held = held.subarray(1 - FINAL_DOT.length);
    return end < 0 ? undefined : line;
  };
  const perform = (line: string): void => {
    if (inData) onMessage();
    inData = !inData && /^DATA$/i.test(line);
    if (/^STARTTLS$/i.test(line)) upgrade();
    else socket.write(answer(line, socket instanceof TLSSocket));
    if (/^QUIT$/i.test(line)) socket.end();
  };
  const read = (chunk: Buffer): void => {
    held = held.length > 0 ? Buffer.concat([held, chunk]) : chunk;
    for (let line = take(); line !== undefined; line = take()) perform(line);
  };
  const upgrade = (): void => {
    socket.off('data', read);
    socket.write('220 2.0.0 SMTP server ready\r\n');
    const secure = new TLSSocket(socket, { isServer: true, secureContext: context });
    secure.on('error', () => secure.destroy());
    converse(secure, context, onMessage);
  };
  socket.on('data', read);
}

function answer(line: string, isSecure: boolean): string {
  const [verb = ''] = line.toUpperCase().split(' ', 1);
  if (verb === 'EHLO') return ehlo(isSecure);
  if (verb === 'AUTH') return '235 2.7.0 Authentication successful\r\n';
  if (verb === 'DATA') return '354 Start mail input; end with <CRLF>.<CRLF>\r\n';
  return verb === 'QUIT' ? '221 2.0.0 Bye\r\n' : '250 2.0.0 OK\r\n';
}

function ehlo(isSecure: boolean): string {
  const lines = ['sink', ...EXTENSIONS, isSecure ? 'AUTH LOGIN XOAUTH2' : 'STARTTLS'];
  return lines.map((line, i) => `250${i < lines.length - 1 ? '-' : ' '}${line}\r\n`).join('');
}
