/**
 * The pooled way to Exchange: STARTTLS, XOAUTH2, one message after the other over a few connections. What Exchange,
 * Entra or the network do comes back as an `Outcome`; nothing here decides what becomes of a message.
 */
import { Readable } from 'node:stream';
import SMTPPool, { type SMTPPoolOptions, type SMTPPoolSentMessageInfo } from 'nodemailer/lib/smtp-pool';
import type { Deliver, Handover, Outcome } from '../core/outcome.ts';
import { acceptedOutcome, failedOutcome, type Progress, TokenError } from './errors.ts';

/** How a mailbox logs in. */
export type Login =
  | { readonly kind: 'oauth'; readonly user: string; readonly getToken: GetToken }
  | { readonly kind: 'password'; readonly user: string; readonly password: string };

/** Gets an access token; with `renew`, one that has just come from Entra and not from a cache. */
export type GetToken = (options: { readonly renew: boolean }) => Promise<TokenResult>;

export type TokenResult =
  | { readonly ok: true; readonly token: string }
  | { readonly ok: false; readonly error: string; readonly code?: string };

export interface PoolOptions {
  readonly host: string;
  readonly port: number;
  readonly connections: number;
  readonly login: Login;
}

export interface Pool {
  readonly deliver: Deliver;
  /** Closes idle connections at once and busy ones after their message; with `force` those too. */
  close(options?: { readonly force?: boolean }): void;
}

const CONNECT_TIMEOUT_MS = 30_000;
const GREETING_TIMEOUT_MS = 30_000;
/** RFC 5321 4.5.3.2.6: ten minutes for the answer to the final dot; Exchange uses them when it throttles. */
const REPLY_TIMEOUT_MS = 600_000;
/** An idle connection counts against the mailbox's three: don't keep it long. */
const IDLE_TIMEOUT_MS = 30_000;
/** Exchange ends a session after some 20 minutes; a fresh connection now and then costs little. */
const MESSAGES_PER_CONNECTION = 100;
/** A pooled connection that was dead when it was taken up is no attempt: nodemailer tries another one. */
const DEAD_CONNECTION_RETRIES = 2;
/** The size of the pieces in which a message goes to the socket, so that a slow one holds the rest back. */
const CHUNK_BYTES = 64 * 1024;

/** Opens no connection yet: the first message does. */
export function openPool(options: PoolOptions): Pool {
  const pool = new SMTPPool(poolOptions(options));
  return {
    deliver: (handover) => deliver(pool, options.login, handover),
    close: ({ force = false } = {}) => pool.close({ force }),
  };
}

function poolOptions({ host, port, connections, login }: PoolOptions): SMTPPoolOptions {
  return {
    host,
    port,
    secure: false,
    requireTLS: true,
    tls: { minVersion: 'TLSv1.2', rejectUnauthorized: true },
    auth: authOptions(login),
    maxConnections: connections,
    maxMessages: MESSAGES_PER_CONNECTION,
    maxRequeues: DEAD_CONNECTION_RETRIES,
    connectionTimeout: CONNECT_TIMEOUT_MS,
    greetingTimeout: GREETING_TIMEOUT_MS,
    socketTimeout: REPLY_TIMEOUT_MS,
    idleTimeout: IDLE_TIMEOUT_MS,
    disableFileAccess: true,
    disableUrlAccess: true,
    logger: false,
  };
}

function authOptions(login: Login): NonNullable<SMTPPoolOptions['auth']> {
  if (login.kind === 'password') return { type: 'LOGIN', user: login.user, pass: login.password, method: 'LOGIN' };
  return {
    type: 'OAuth2',
    user: login.user,
    provisionCallback: (_user: string, renew: boolean, done: (error: Error | null, token?: string) => void) => {
      login.getToken({ renew }).then(
        (result) => (result.ok ? done(null, result.token) : done(new TokenError(result))),
        (error: Error) => done(error),
      );
    },
  };
}

async function deliver(pool: SMTPPool, login: Login, handover: Handover): Promise<Outcome> {
  if (login.kind === 'password') return send(pool, handover);
  // Asked for before a connection is opened: without a token, Exchange need not be bothered.
  const token = await login.getToken({ renew: false });
  if (!token.ok) return { kind: 'no-token', error: token.error, ...(token.code && { code: token.code }) };
  const outcome = await send(pool, handover);
  if (!loginRefused(outcome)) return outcome;
  // Exchange answers 535 to a token that should be good when it was revoked or rights have changed: ask anew, once.
  const renewed = await login.getToken({ renew: true });
  return renewed.ok && renewed.token !== token.token ? send(pool, handover) : outcome;
}

function loginRefused(outcome: Outcome): boolean {
  return outcome.kind === 'refused' && outcome.stage === 'auth' && outcome.reply.code === 535;
}

function send(pool: SMTPPool, handover: Handover): Promise<Outcome> {
  const progress: Progress = { contentBegun: false, finalDot: false };
  const { promise, resolve } = Promise.withResolvers<Outcome>();
  const mail = { data: { signal: handover.signal }, message: transportMessage(handover, progress) };
  pool.send(mail as unknown as Parameters<SMTPPool['send']>[0], (error: Error | null, info?: SMTPPoolSentMessageInfo) => {
    resolve(error || !info ? failedOutcome(error ?? new Error('No answer.'), progress) : acceptedOutcome(info));
  });
  return promise;
}

/**
 * What a nodemailer transport reads of a message. The composed bytes go out as they are, and the stream is read only
 * once Exchange has answered DATA: that is what makes `finalDot` true at the right moment.
 */
function transportMessage(handover: Handover, progress: Progress): object {
  const { from, recipients, bytes } = handover;
  return {
    getEnvelope: () => ({ from, to: [...recipients], size: bytes.length, use8BitMime: false }),
    messageId: () => '',
    getHeader: () => '',
    createReadStream: () => Readable.from(content(handover, progress), { objectMode: false }),
  };
}

async function* content({ bytes, beforeFinalDot }: Handover, progress: Progress): AsyncGenerator<Uint8Array> {
  progress.contentBegun = true;
  for (let at = 0; at < bytes.length; at += CHUNK_BYTES) yield bytes.subarray(at, at + CHUNK_BYTES);
  await beforeFinalDot();
  progress.finalDot = true;
}
