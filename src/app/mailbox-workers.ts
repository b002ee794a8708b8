/** What a worker has for one mailbox: its connections to Exchange, a slot for each of them, and the mailbox's queue. */
import type { MailboxConfig } from '../config/mailbox-config.ts';
import { createAttempt } from '../core/deliver/attempt.ts';
import { openTokenSource } from '../entra/tokens.ts';
import { type Consumer, type ConsumerOptions, openConsumer } from '../queue/work/consumer.ts';
import { type Semaphore, makeSemaphore } from '../lib/async.ts';
import type { Route } from '../queue/work/routes.ts';
import type { Throttle } from '../queue/limits/throttle.ts';
import type { LeasedMailbox } from '../queue/limits/leases.ts';
import { compose } from '../smtp/compose.ts';
import { type GetToken, type Login, openPool, type Pool } from '../smtp/pool.ts';

export interface MailboxWorker {
  readonly config: MailboxConfig;
  readonly route: Route;
  readonly leased: LeasedMailbox;
  /** Lets a held mailbox be tried at once: a new configuration may have fixed what holds it. */
  wake(): Promise<void>;
  /** Finishes the messages in progress; after `timeoutMs` they are left to other workers. */
  close(timeoutMs: number): Promise<void>;
}

/** What all mailbox workers of a worker share. */
export type Shared = Omit<ConsumerOptions, 'name' | 'routes' | 'throttle'> & {
  readonly throttle: Throttle;
  readonly retryDelaysMs: readonly [number, ...number[]];
  /** Called when Entra gave another token, or none. */
  readonly onToken: (mailbox: string, outcome: 'renewed' | 'failed') => void;
  /** Called when a mailbox may have another number of connections. */
  readonly onLeases: () => void;
};

export function openMailboxWorker(config: MailboxConfig, shared: Shared): MailboxWorker {
  const { mailbox, host, port, unknown } = config;
  const pool = openPool({ host, port, login: loginOf(config, shared.onToken) });
  const semaphore = makeSemaphore();
  const policy = { delaysMs: shared.retryDelaysMs, random: Math.random, unknown };
  const route = {
    mailbox,
    semaphore,
    unknown,
    runAttempt: createAttempt({ compose, deliver: pool.deliver, policy, now: shared.now }),
  };
  const consumer = openConsumer({ ...shared, name: mailbox.id, routes: [route] });
  return {
    config,
    route,
    leased: leasedMailbox(config, { semaphore, pool, consumer, onLeases: shared.onLeases }),
    wake: async () => {
      if (await shared.throttle.probe(mailbox.id)) await consumer.wake();
    },
    close: (timeoutMs) => closeMailboxWorker(consumer, pool, timeoutMs),
  };
}

/** What obeys a mailbox's leases. */
interface Leasing {
  readonly semaphore: Semaphore;
  readonly pool: Pool;
  readonly consumer: Consumer;
  readonly onLeases: () => void;
}

function leasedMailbox({ mailbox }: MailboxConfig, leasing: Leasing): LeasedMailbox {
  const { semaphore, pool, consumer, onLeases } = leasing;
  const setConnections = (connections: number) => {
    semaphore.limit = connections;
    pool.setConnections(connections);
    consumer.setConcurrency(connections);
    onLeases();
  };
  return {
    id: mailbox.id,
    connections: mailbox.limits.connections,
    open: () => Math.max(pool.connections, semaphore.taken),
    onLeases: setConnections,
    onLost: () => {
      setConnections(0);
      semaphore.revoke();
    },
  };
}

function loginOf({ mailbox, login }: MailboxConfig, onToken: Shared['onToken']): Login {
  if (login.kind === 'password') return login;
  const source = openTokenSource(login.application);
  let last: string | undefined;
  const getToken: GetToken = async (options) => {
    const result = await source.getToken(options);
    if (!result.ok) onToken(mailbox.id, 'failed');
    else if (result.token !== last) onToken(mailbox.id, 'renewed');
    if (result.ok) last = result.token;
    return result;
  };
  return { kind: 'oauth', user: mailbox.address, getToken };
}

/** The consumer first: a pool must not close under a message that is still to be sent. */
async function closeMailboxWorker(consumer: Consumer, pool: Pool, timeoutMs: number): Promise<void> {
  const late = setTimeout(() => pool.close({ force: true }), timeoutMs);
  await consumer.close();
  clearTimeout(late);
  pool.close();
}
