/**
 * An SMTP dialogue for the doctor, command by command. It shows what a mail library hides, such as a certificate that is
 * not trusted. Messages are sent by connection.ts, not here.
 */
import { once } from 'node:events';
import { connect as connectTcp, type Socket } from 'node:net';
import { connect as connectTls, type PeerCertificate } from 'node:tls';
import type { Reply } from '../core/message/message.ts';
import { parseReply } from '../core/replies/reply.ts';
import { codeOf, messageOf } from '../lib/errors.ts';

/** A reply with its separate lines, which EHLO needs. */
export type DialogueReply = Reply & { readonly lines: readonly string[] };

/** The TLS session of the server. Nothing was sent over it yet. */
export interface TlsView {
  /** `TLSv1.3` */
  readonly version: string;
  readonly certificate: PeerCertificate;
  /** Why the certificate is not trusted, in the words of OpenSSL or Node.js. Undefined if it is trusted. */
  readonly distrust: string | undefined;
}

export interface Dialogue {
  /** The next reply. Rejects if the server is silent for 15 s, closes the connection or does not speak SMTP. */
  reply(): Promise<DialogueReply>;
  /** Sends a command and waits for its reply. */
  command(line: string): Promise<DialogueReply>;
  /** Starts TLS after the reply to STARTTLS. The caller must check `distrust` before it sends a credential. */
  startTls(): Promise<TlsView>;
  close(): void;
}

const TIMEOUT_MS = 15_000;
const REPLY_BYTES_MAX = 64 * 1024;
/** RFC 5321 4.2.1: in the last line of a reply, a space or nothing follows the code. */
const WHOLE_REPLY = /^(?:\d{3}-[^\n]*\n)*\d{3}(?: [^\n]*)?\n/;

/** Rejects with the system's error if there is no connection within 15 s. */
export async function openDialogue(host: string, port: number): Promise<Dialogue> {
  const socket = connectTcp({ host, port });
  await inTime(once(socket, 'connect'), socket);
  return converse(socket, host);
}

function converse(first: Socket, host: string): Dialogue {
  let socket = first;
  let reader = makeReader(socket);
  const command = async (line: string) => {
    socket.write(`${line}\r\n`);
    return inTime(reader.next(), socket);
  };
  return {
    reply: () => inTime(reader.next(), socket),
    command,
    startTls: async () => {
      reader.stop();
      // The doctor reports what is wrong with the certificate, so the handshake must not fail because of it.
      const secured = connectTls({
        socket,
        minVersion: 'TLSv1.2',
        rejectUnauthorized: false,
        ...(/^[\d.:]+$/.test(host) ? {} : { servername: host }),
        host,
      });
      socket = secured;
      await inTime(once(secured, 'secureConnect'), secured);
      reader = makeReader(secured);
      return {
        version: secured.getProtocol() ?? '',
        certificate: secured.getPeerCertificate(),
        distrust: secured.authorized ? undefined : nameOf(secured.authorizationError),
      };
    },
    close: () => socket.destroy(),
  };
}

/** The types of Node.js say Error, but it is often a string. */
function nameOf(error: unknown): string {
  return codeOf(error) ?? (error ? messageOf(error) : 'unknown');
}

/** Splits the received text into replies. */
function makeReader(socket: Socket): { next(): Promise<DialogueReply>; stop(): void } {
  let received = '';
  let wake: (() => void) | undefined;
  const ends: { error?: Error } = {};
  const end = (error: Error) => {
    ends.error ??= error;
    wake?.();
  };
  const onData = (chunk: Buffer) => {
    received += chunk.toString('latin1');
    wake?.();
  };
  const onClose = () => end(Object.assign(new Error('The server closed the connection.'), { code: 'ECONNRESET' }));
  socket.on('data', onData).on('error', end).on('close', onClose);
  return {
    next: async () => {
      for (;;) {
        const whole = WHOLE_REPLY.exec(received)?.[0];
        if (whole) {
          received = received.slice(whole.length);
          return readReply(whole);
        }
        if (received.length > REPLY_BYTES_MAX || /^(?!\d{3})[^\n]{3,}\n/.test(received)) throw notSmtp(received);
        if (ends.error) throw ends.error;
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      }
    },
    stop: () => void socket.off('data', onData).off('close', onClose),
  };
}

function readReply(text: string): DialogueReply {
  const reply = parseReply(text);
  if (!reply) throw notSmtp(text);
  const lines = text.trimEnd().split(/\r?\n/);
  return { ...reply, lines: lines.map((line) => line.slice(4).trim()) };
}

function notSmtp(text: string): Error {
  return new Error(`This is not SMTP: ${JSON.stringify(text.slice(0, 80))}`);
}

async function inTime<T>(promise: Promise<T>, socket: Socket): Promise<T> {
  const { promise: late, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(() => {
    reject(Object.assign(new Error(`There was no answer within ${TIMEOUT_MS / 1_000} s.`), { code: 'ETIMEDOUT' }));
    socket.destroy();
  }, TIMEOUT_MS);
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}
