/**
 * A mailbox's connections to Exchange, kept open for the next message. The caller sets how many may be open
 * (`setConnections`), because the mailbox's limit applies across all workers. An idle connection counts, too.
 */
import type { Deliver, DeliveryRequest } from '../core/deliver/deliver.ts';
import type { Outcome } from '../core/replies/outcome.ts';
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
  /** Sends over an idle connection, otherwise over a new one. The caller limits how many run at a time. */
  readonly deliver: Deliver;
  /** Connections open or being opened, idle ones included. */
  readonly connections: number;
  /** Closes idle connections until no more than `max` are open. */
  setConnections(max: number): void;
  /** Closes idle connections now and busy ones after their message. With `force`, closes all now. */
  close(options?: { readonly force?: boolean }): void;
}

/** An idle connection counts towards the mailbox's limit of three, and Exchange would end it soon. */
const IDLE_TIMEOUT_MS = 30_000;
/** Exchange ends a session after about 20 minutes, so it is ended earlier, between two messages. */
const AGE_MAX_MS = 15 * 60_000;

interface Open {
  readonly connection: Connection;
  readonly openedAt: number;
  idleTimer?: NodeJS.Timeout;
}

interface Connections {
  readonly options: PoolOptions;
  /** The most recently used one is last and is taken first, so that the others can expire. */
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
  // The token comes first: without one, there is no need to connect to Exchange.
  const login = await getCredentials(pool.options.login, false);
  if ('outcome' in login) return login.outcome;
  const kept = takeIdle(pool);
  const outcome = kept && (await use(pool, kept, request));
  // A kept connection that turns out to be dead is not an attempt: use a new one.
  if (outcome && !wasDead(outcome)) return outcome;
  return deliverOverNew(pool, login.credentials, request);
}

async function deliverOverNew(pool: Connections, credentials: Credentials, request: DeliveryRequest): Promise<Outcome> {
  const first = await open(pool, credentials, request.signal);
  if ('connection' in first) return use(pool, first, request);
  if (!loginRefused(first.outcome)) return first.outcome;
  // Exchange answers 535 to a valid token if it was revoked or permissions changed. Ask once for a new token.
  const renewed = await getCredentials(pool.options.login, true);
  if (!('credentials' in renewed) || sameCredentials(renewed.credentials, credentials)) return first.outcome;
  const second = await open(pool, renewed.credentials, request.signal);
  return 'connection' in second ? use(pool, second, request) : second.outcome;
}

async function getCredentials(
  login: Login,
  renew: boolean,
): Promise<{ credentials: Credentials } | { outcome: Outcome }> {
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

/** The connection had ended, or Exchange ended it with 421, before it received this message. */
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
  // Once per connection, not per message: each listener would stay in memory until the connection ends.
  void fresh.connection.ended.then(() => drop(pool, fresh));
  return fresh;
}

async function use(pool: Connections, open: Open, request: DeliveryRequest): Promise<Outcome> {
  pool.busy.add(open.connection);
  const outcome = await open.connection.send(request);
  const reusable = outcome.kind === 'accepted' || (await isReusable(open.connection, outcome));
  pool.busy.delete(open.connection);
  if (reusable && open.connection.isReady()) keep(pool, open);
  else open.connection.close({ force: true });
  return outcome;
}

async function isReusable(connection: Connection, outcome: Outcome): Promise<boolean> {
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
