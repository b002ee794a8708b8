/**
 * One connection to Exchange: STARTTLS, the login, then messages one after the other. Failures of Exchange and the
 * network are returned as an `Outcome`; what follows for the message is decided elsewhere.
 */
import { isAscii } from 'node:buffer';
import { addAbortListener } from 'node:events';
import { Readable } from 'node:stream';
import SMTPConnection, {
  type SMTPConnectionOptions,
  type SMTPConnectionSendInfo,
} from 'nodemailer/lib/smtp-connection';
import XOAuth2 from 'nodemailer/lib/xoauth2';
import type { Reply } from '../core/message/message.ts';
import type { DeliveryRequest } from '../core/deliver/deliver.ts';
import type { Outcome, Stage } from '../core/replies/outcome.ts';
import { acceptedOutcome, failedOutcome, type Progress } from './outcome.ts';

export interface Server {
  readonly host: string;
  readonly port: number;
}

/** The credentials of a login: an access token (XOAUTH2) or a password (LOGIN). */
export type Credentials =
  | { readonly kind: 'token'; readonly user: string; readonly token: string }
  | { readonly kind: 'password'; readonly user: string; readonly password: string };

export interface Connection {
  /** Sends one message. */
  send(request: DeliveryRequest): Promise<Outcome>;
  /** Sends RSET, so that another message can follow a refused one. False if that failed. */
  reset(): Promise<boolean>;
  /** Whether it can send another message, as far as this side knows. */
  isReady(): boolean;
  /** Ends it with QUIT, or at once if `force` is set. */
  close(options?: { readonly force?: boolean }): void;
  /** Resolves when the connection has ended. */
  readonly ended: Promise<void>;
}

export type Opened =
  | { readonly ok: true; readonly connection: Connection }
  | { readonly ok: false; readonly outcome: Outcome };

const CONNECT_TIMEOUT_MS = 30_000;
const GREETING_TIMEOUT_MS = 30_000;
/** RFC 5321 4.5.3.2.6 allows ten minutes for the reply to the final dot. Exchange uses them when it throttles. */
const REPLY_TIMEOUT_MS = 600_000;
/** A longer reply is an attempt to fill the memory. */
const REPLY_BYTES_MAX = 64 * 1024;
const CLOSE_TIMEOUT_MS = 2_000;
/** A message is written to the socket in pieces of this size, so that a slow socket applies backpressure. */
const CHUNK_BYTES = 64 * 1024;

/** Connects and logs in, unless the signal is aborted. Failures of Exchange and the network are returned, not thrown. */
export async function openConnection(server: Server, credentials: Credentials, signal: AbortSignal): Promise<Opened> {
  const smtp = new SMTPConnection(connectionOptions(server));
  // A running step has its own listener. This one keeps an error of an idle connection from being thrown.
  smtp.on('error', () => undefined);
  const ended = new Promise<void>((resolve) => smtp.once('end', resolve));
  const abortion = addAbortListener(signal, () => smtp.close());
  try {
    const unconnected = await step(smtp, (done) => smtp.connect(done));
    if (unconnected) return failed(smtp, unconnected, 'connect');
    const refused = await step(smtp, (done) => smtp.login(loginData(credentials), done));
    return refused ? failed(smtp, refused, 'auth') : { ok: true, connection: wrap(smtp, ended) };
  } finally {
    abortion[Symbol.dispose]();
  }
}

function failed(smtp: SMTPConnection, error: Error, stage: Stage): Opened {
  smtp.close();
  return { ok: false, outcome: failedOutcome(error, stage) };
}

function connectionOptions({ host, port }: Server): SMTPConnectionOptions {
  return {
    host,
    port,
    secure: false,
    requireTLS: true,
    tls: { minVersion: 'TLSv1.2', rejectUnauthorized: true },
    connectionTimeout: CONNECT_TIMEOUT_MS,
    greetingTimeout: GREETING_TIMEOUT_MS,
    socketTimeout: REPLY_TIMEOUT_MS,
    socketCloseTimeout: CLOSE_TIMEOUT_MS,
    maxResponseSize: REPLY_BYTES_MAX,
    logger: false,
  };
}

function loginData(credentials: Credentials): Parameters<SMTPConnection['login']>[0] {
  if (credentials.kind === 'password') return { method: 'LOGIN', user: credentials.user, pass: credentials.password };
  return {
    method: 'XOAUTH2',
    user: credentials.user,
    oauth2: new XOAuth2({ user: credentials.user, accessToken: credentials.token }),
  };
}

/** Runs one step. Resolves with its error, or with undefined. When the connection ends, not every step is called back. */
function step(smtp: SMTPConnection, begin: (done: (error?: Error | null) => void) => void): Promise<Error | undefined> {
  const { promise, resolve } = Promise.withResolvers<Error | undefined>();
  const onError = (error: Error) => resolve(error);
  // Later, because after a 421 nodemailer first emits 'end' and then calls the step back with the reply.
  const onEnd = () => setImmediate(resolve, new Error('The connection ended.'));
  smtp.once('error', onError).once('end', onEnd);
  begin((error) => resolve(error ?? undefined));
  return promise.finally(() => smtp.off('error', onError).off('end', onEnd));
}

function wrap(smtp: SMTPConnection, ended: Promise<void>): Connection {
  return {
    send: (request) => send(smtp, request),
    reset: async () => (await step(smtp, (done) => smtp.reset(done))) === undefined,
    isReady: () => !smtp.destroyed && smtp._socket !== null && smtp._socket !== false && smtp._socket.writable,
    close: ({ force = false } = {}) => (force ? smtp.close() : smtp.quit()),
    ended,
  };
}

/** The reply of a server without SMTPUTF8 (RFC 6531 3.2). nodemailer would send the address anyway. */
const NO_SMTPUTF8: Reply = {
  code: 553,
  enhanced: '5.6.7',
  text: 'Non-ASCII addresses are not permitted: the server does not offer SMTPUTF8 in EHLO',
};

function lacksSmtpUtf8(smtp: SMTPConnection, { from, recipients }: DeliveryRequest): boolean {
  // Missing in nodemailer's types. There is no public way to read what the server offered in EHLO.
  const { _supportedExtensions: offered } = smtp as unknown as { readonly _supportedExtensions: readonly string[] };
  return !offered.includes('SMTPUTF8') && !isAscii(Buffer.from([from, ...recipients].join()));
}

async function send(smtp: SMTPConnection, request: DeliveryRequest): Promise<Outcome> {
  if (lacksSmtpUtf8(smtp, request)) return { kind: 'refused', stage: 'mail', reply: NO_SMTPUTF8, refused: [] };
  const { from, recipients, bytes, markFinalDot, signal } = request;
  const progress: Progress = { contentStarted: false, finalDot: false };
  const abortion = addAbortListener(signal, () => progress.finalDot || smtp.close());
  let info: SMTPConnectionSendInfo | undefined;
  const error = await step(smtp, (done) => {
    const isOpen = () => !smtp.destroyed;
    const stream = Readable.from(content(bytes, markFinalDot, progress, isOpen), { objectMode: false });
    // A raw MIME message may contain unencoded 8-bit text. RFC 6152
    smtp.send(
      { from, to: [...recipients], size: bytes.length, use8BitMime: !isAscii(bytes) },
      stream,
      (failure, result) => {
        info = result;
        done(failure);
      },
    );
  });
  abortion[Symbol.dispose]();
  return info && !error ? acceptedOutcome(info) : failedOutcome(error ?? new Error('No answer.'), 'mail', progress);
}

/** nodemailer reads this only after Exchange has answered DATA, so `finalDot` is set at the right moment. */
async function* content(
  bytes: Uint8Array,
  markFinalDot: () => Promise<void>,
  progress: Progress,
  isOpen: () => boolean,
): AsyncGenerator<Uint8Array> {
  progress.contentStarted = true;
  for (let at = 0; at < bytes.length; at += CHUNK_BYTES) yield bytes.subarray(at, at + CHUNK_BYTES);
  await markFinalDot();
  progress.finalDot = isOpen();
}
