/**
 * One connection to Exchange: STARTTLS, the login, then messages one after the other. What Exchange or the network do
 * comes back as an `Outcome`; nothing here decides what becomes of a message.
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
import type { DeliveryRequest, Outcome, Stage } from '../core/replies/outcome.ts';
import { acceptedOutcome, failedOutcome, type Progress } from './errors.ts';

export interface Server {
  readonly host: string;
  readonly port: number;
}

/** What a login shows: an access token (XOAUTH2) or a password (LOGIN). */
export type Credentials =
  | { readonly kind: 'token'; readonly user: string; readonly token: string }
  | { readonly kind: 'password'; readonly user: string; readonly password: string };

export interface Connection {
  /** Hands one message over. */
  send(request: DeliveryRequest): Promise<Outcome>;
  /** RSET: makes it ready for another message after a refusal; false when that did not work. */
  reset(): Promise<boolean>;
  /** Whether it can take another message, as far as this side knows. */
  isReady(): boolean;
  /** Ends it: with a QUIT, or at once when `force` is set. */
  close(options?: { readonly force?: boolean }): void;
  /** Resolves when the connection is no more. */
  readonly ended: Promise<void>;
}

export type Opened =
  | { readonly ok: true; readonly connection: Connection }
  | { readonly ok: false; readonly outcome: Outcome };

const CONNECT_TIMEOUT_MS = 30_000;
const GREETING_TIMEOUT_MS = 30_000;
/** RFC 5321 4.5.3.2.6: ten minutes for the answer to the final dot; Exchange uses them when it throttles. */
const REPLY_TIMEOUT_MS = 600_000;
/** Beyond it, it is no reply but an attempt to fill the memory. */
const REPLY_BYTES_MAX = 64 * 1024;
const CLOSE_TIMEOUT_MS = 2_000;
/** The size of the pieces in which a message goes to the socket, so that a slow one holds the rest back. */
const CHUNK_BYTES = 64 * 1024;

/** Connects and logs in, unless the signal is aborted on the way. Never throws for what Exchange or the network do. */
export async function openConnection(server: Server, credentials: Credentials, signal: AbortSignal): Promise<Opened> {
  const smtp = new SMTPConnection(connectionOptions(server));
  // The step under way hears of an error too: this listener only keeps an idle connection's error from being thrown.
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

/** Runs one step; what went wrong, or undefined. A connection that ends says so by event and not always by callback. */
function step(smtp: SMTPConnection, begin: (done: (error?: Error | null) => void) => void): Promise<Error | undefined> {
  const { promise, resolve } = Promise.withResolvers<Error | undefined>();
  const onError = (error: Error) => resolve(error);
  // Later: after a 421 nodemailer ends the connection first, and then tells the step under way what it was answered.
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

/** What a server would answer that does not offer SMTPUTF8; nodemailer would send it the address. RFC 6531 3.2 */
const NO_SMTPUTF8: Reply = {
  code: 553,
  enhanced: '5.6.7',
  text: 'Non-ASCII addresses are not permitted, says the server, which offers no SMTPUTF8 in EHLO',
};

function lacksSmtpUtf8(smtp: SMTPConnection, { from, recipients }: DeliveryRequest): boolean {
  // Not among nodemailer's types: there is no other place that tells what the server said in EHLO.
  const { _supportedExtensions: offered } = smtp as unknown as { readonly _supportedExtensions: readonly string[] };
  return !offered.includes('SMTPUTF8') && !isAscii(Buffer.from([from, ...recipients].join()));
}

async function send(smtp: SMTPConnection, request: DeliveryRequest): Promise<Outcome> {
  if (lacksSmtpUtf8(smtp, request)) return { kind: 'refused', stage: 'mail', reply: NO_SMTPUTF8, refused: [] };
  const { from, recipients, bytes, markFinalDot, signal } = request;
  const progress: Progress = { contentBegun: false, finalDot: false };
  const abortion = addAbortListener(signal, () => progress.finalDot || smtp.close());
  let info: SMTPConnectionSendInfo | undefined;
  const error = await step(smtp, (done) => {
    const isOpen = () => !smtp.destroyed;
    const stream = Readable.from(content(bytes, markFinalDot, progress, isOpen), { objectMode: false });
    // A ready mail may have what its program did not encode. RFC 6152
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

/** Read only once Exchange has answered DATA: that is what makes `finalDot` true at the right moment. */
async function* content(
  bytes: Uint8Array,
  markFinalDot: () => Promise<void>,
  progress: Progress,
  isOpen: () => boolean,
): AsyncGenerator<Uint8Array> {
  progress.contentBegun = true;
  for (let at = 0; at < bytes.length; at += CHUNK_BYTES) yield bytes.subarray(at, at + CHUNK_BYTES);
  await markFinalDot();
  progress.finalDot = isOpen();
}
