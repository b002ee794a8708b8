/**
 * A mailbox's connections to Exchange, kept for the next message while they are good. How many may be open is told
 * from outside (`setConnections`): the mailbox's limit counts over all workers, and an idle connection counts as well.
 */
import type { Deliver, DeliveryRequest, Outcome } from '../core/replies/outcome.ts';
import { type Connection, openConnection, type Credentials, type Server } from './connection.ts';

/** How a mailbox logs in. */
export type Login =
  | { readonly kind: 'oauth'; readonly user: string; readonly getToken: GetToken }
  | { readonly kind: 'password'; readonly user: string; readonly password: string };

/** Gets an access token; with `renew`, one that has just come from Entra and not from a cache. */
export type GetToken = (options: { readonly renew: boolean }) => Promise<TokenResult>;

export type TokenResult =
  | { readonly ok: true; readonly token: string }
  | { readonly ok: false; readonly error: string; readonly code?: string };

export interface PoolOptions extends Server {
  readonly login: Login;
}

export interface Pool {
  /** Sends over a connection that is free, else over a new one. The caller keeps to the number of connections. */
  readonly deliver: Deliver;
  /** Connections open or being opened, idle ones included. */
  readonly connections: number;
  /** Closes idle connections until no more than `max` are open. */
  setConnections(max: number): void;
  /** Closes idle connections now and busy ones after their message; with `force` those too. */
  close(options?: { readonly force?: boolean }): void;
}

/** An idle connection counts against the mailbox's three, and Exchange ends it before long: don't keep it. */
const IDLE_TIMEOUT_MS = 30_000;
/** Exchange ends a session after some 20 minutes: end it before, between two messages. */
const AGE_MAX_MS = 15 * 60_000;

interface Open {
  readonly connection: Connection;
  readonly openedAt: number;
  idleTimer?: NodeJS.Timeout;
}

interface Connections {
  readonly options: PoolOptions;
  /** The latest used last: the others get old and go. */
  readonly idle: Open[];
  readonly busy: Set<Connection>;
  opening: number;
  max: number;
}

/** Opens no connection yet: the first message does. */
export function openPool(options: PoolOptions): Pool {
  const pool: Connections = { options, idle: [], busy: new Set(), opening: 0, max: Number.POSITIVE_INFINITY };
  return {
    deliver: async (request) => {
      const outcome = await deliver(pool, request);
      return request.signal.aborted && outcome.kind === 'broken' ? { kind: 'given-up' } : outcome;
    },
    get connections() {
      return count(pool);
    },
    setConnections: (max) => {
      pool.max = max;
      trim(pool);
    },
    close: ({ force = false } = {}) => {
      pool.max = 0;
      trim(pool);
      if (force) for (const connection of pool.busy) connection.close({ force });
    },
  };
}

async function deliver(pool: Connections, request: DeliveryRequest): Promise<Outcome> {
  // Asked for before anything else: without a token, Exchange need not be bothered.
  const login = await prove(pool.options.login, false);
  if ('outcome' in login) return login.outcome;
  const kept = takeIdle(pool);
  const outcome = kept && (await use(pool, kept, request));
  // A kept connection that turns out to be dead is no attempt: a new one tells more.
  if (outcome && !wasDead(outcome)) return outcome;
  return deliverAnew(pool, login.credentials, request);
}

async function deliverAnew(pool: Connections, credentials: Credentials, request: DeliveryRequest): Promise<Outcome> {
  const first = await open(pool, credentials, request.signal);
  if ('connection' in first) return use(pool, first, request);
  if (!loginRefused(first.outcome)) return first.outcome;
  // Exchange answers 535 to a token that should be good when it was revoked or rights have changed: ask anew, once.
  const renewed = await prove(pool.options.login, true);
  if (!('credentials' in renewed) || sameCredentials(renewed.credentials, credentials)) return first.outcome;
  const second = await open(pool, renewed.credentials, request.signal);
  return 'connection' in second ? use(pool, second, request) : second.outcome;
}

async function prove(login: Login, renew: boolean): Promise<{ credentials: Credentials } | { outcome: Outcome }> {
  if (login.kind === 'password') return { credentials: login };
  const result = await login.getToken({ renew });
  if (result.ok) return { credentials: { kind: 'token', user: login.user, token: result.token } };
  return { outcome: { kind: 'no-token', error: result.error, ...(result.code && { code: result.code }) } };
}

function sameCredentials(a: Credentials, b: Credentials): boolean {
  return a.kind === 'password' || (b.kind === 'token' && a.token === b.token);
}

function loginRefused(outcome: Outcome): boolean {
  return outcome.kind === 'refused' && outcome.stage === 'auth' && outcome.reply.code === 535;
}

/** The connection had ended, or Exchange ended it with 421, before it heard of this message. */
function wasDead(outcome: Outcome): boolean {
  if (outcome.kind === 'broken') return outcome.stage !== 'data' && outcome.stage !== 'end';
  return (
    outcome.kind === 'refused' && outcome.reply.code === 421 && outcome.stage !== 'data' && outcome.stage !== 'end'
  );
}

async function open(
  pool: Connections,
  credentials: Credentials,
  signal: AbortSignal,
): Promise<Open | { readonly outcome: Outcome }> {
  if (signal.aborted) return { outcome: { kind: 'given-up' } };
  pool.opening += 1;
  const opened = await openConnection(pool.options, credentials, signal).finally(() => {
    pool.opening -= 1;
  });
  if (!opened.ok) return { outcome: opened.outcome };
  const fresh: Open = { connection: opened.connection, openedAt: Date.now() };
  // Here and not with each message: whoever waits for its end stays in memory until then.
  void fresh.connection.ended.then(() => drop(pool, fresh));
  return fresh;
}

async function use(pool: Connections, open: Open, request: DeliveryRequest): Promise<Outcome> {
  pool.busy.add(open.connection);
  const outcome = await open.connection.send(request);
  const good = outcome.kind === 'accepted' || (await isStillGood(open.connection, outcome));
  pool.busy.delete(open.connection);
  if (good && open.connection.isReady()) keep(pool, open);
  else open.connection.close({ force: true });
  return outcome;
}

async function isStillGood(connection: Connection, outcome: Outcome): Promise<boolean> {
  return outcome.kind === 'refused' && outcome.reply.code !== 421 && connection.isReady() && (await connection.reset());
}

function keep(pool: Connections, open: Open): void {
  if (count(pool) >= pool.max || Date.now() - open.openedAt > AGE_MAX_MS) {
    open.connection.close();
    return;
  }
  open.idleTimer = setTimeout(() => drop(pool, open), IDLE_TIMEOUT_MS);
  open.idleTimer.unref();
  pool.idle.push(open);
}

function takeIdle(pool: Connections): Open | undefined {
  for (let open = pool.idle.pop(); open; open = pool.idle.pop()) {
    clearTimeout(open.idleTimer);
    if (open.connection.isReady()) return open;
    open.connection.close({ force: true });
  }
  return undefined;
}

function drop(pool: Connections, open: Open): void {
  const at = pool.idle.indexOf(open);
  if (at < 0) return;
  pool.idle.splice(at, 1);
  clearTimeout(open.idleTimer);
  open.connection.close();
}

function trim(pool: Connections): void {
  while (pool.idle.length > 0 && count(pool) > pool.max) drop(pool, pool.idle[0] as Open);
}

function count({ idle, busy, opening }: Connections): number {
  return idle.length + busy.size + opening;
}
