/**
 * A worker's seats: how many connections to each mailbox it may have open now. A seat is a lease in Redis, shared out
 * anew with every beat; a worker that dies or is cut off loses its seats with the lease, and the others get them.
 */
import { createHash } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import type { Keys } from '../redis/keys.ts';
import type { RedisClient } from '../redis/client.ts';
import { defineLua, type LuaCalls } from '../redis/lua.ts';
import { HEARTBEAT_MS, LEASE_SCRIPTS } from './scripts.ts';

export interface LeasedMailbox {
  readonly id: string;
  /** Connections that all workers together may have; 0 = no limit. */
  readonly connections: number;
  /** Connections that this worker has open now, idle ones included. */
  readonly open: () => number;
  /** Hears how many connections this worker may have from now on. */
  readonly onLeases: (seats: number) => void;
  /** Hears that it may have none, since there was no answer of Redis for so long that others may soon have its seats. */
  readonly onLost: () => void;
}

export interface LeasesOptions {
  readonly redis: RedisClient;
  readonly keys: Keys;
  /** Unique among all workers. */
  readonly worker: string;
  /** Asked with every beat: mailboxes may come and go. */
  readonly mailboxes: () => readonly LeasedMailbox[];
  readonly onError: (error: Error) => void;
}

export interface Leases {
  /** Gives back the seats of one mailbox, whose connections must be closed before. */
  leave(mailbox: string): Promise<void>;
  /** Gives back all seats. */
  close(): Promise<void>;
}

/** A dead worker's seats are free after this long, and with the next beat others have them: well within 30 s. */
const LEASE_MS = 12_000;
/** A worker's own lease is over before Redis ends it: to close its connections takes a moment. */
const OWN_LEASE_MS = LEASE_MS - HEARTBEAT_MS;
/** How many connections a mailbox without a limit gets from each worker. */
const CONNECTIONS_UNLIMITED = 20;

/** The first seats come with the first answer of Redis. */
export function openLeases({ redis, keys, worker, mailboxes, onError }: LeasesOptions): Leases {
  const scripts = defineLua(redis, LEASE_SCRIPTS);
  let claiming: Promise<void> | undefined;
  let lease: NodeJS.Timeout | undefined;
  const lose = () => {
    for (const { connections, onLost } of mailboxes()) if (connections > 0) onLost();
  };
  const renew = async () => {
    const askedAt = performance.now();
    const limited = mailboxes().filter(({ connections }) => connections > 0);
    const seats = await claim(scripts, keys, worker, limited);
    const leftMs = askedAt + OWN_LEASE_MS - performance.now();
    // An answer that took too long is for a lease that may be over.
    if (leftMs <= 0) return;
    clearTimeout(lease);
    lease = setTimeout(lose, leftMs);
    for (const [i, { onLeases }] of limited.entries()) onLeases(seats[i] ?? 0);
  };
  const beat = () => {
    for (const { connections, onLeases } of mailboxes()) if (connections === 0) onLeases(CONNECTIONS_UNLIMITED);
    claiming ??= renew()
      .catch(onError)
      .finally(() => {
        claiming = undefined;
      });
  };
  beat();
  const timer = setInterval(beat, HEARTBEAT_MS);
  return {
    leave: async (mailbox) => {
      await redis.hdel(keys.seats(mailbox), worker);
    },
    close: async () => {
      clearInterval(timer);
      await claiming;
      clearTimeout(lease);
      const ids = mailboxes().map(({ id }) => id);
      await freeLeases(redis, keys, worker, ids).catch(onError);
    },
  };
}

async function freeLeases(redis: RedisClient, keys: Keys, worker: string, mailboxes: readonly string[]): Promise<void> {
  const seats = mailboxes.map((mailbox) => redis.hdel(keys.seats(mailbox), worker));
  await Promise.all([redis.zrem(keys.workers, worker), ...seats]);
}

/**
 * For a worker that is the only one of its installation: one that was killed before it has no connections any more, so
 * its seats need not wait for the end of their lease.
 */
export async function succeedOnlyWorker(
  redis: RedisClient,
  keys: Keys,
  worker: string,
  mailboxes: readonly string[],
): Promise<void> {
  const predecessor = await redis.getset(keys.onlyWorker, worker);
  if (predecessor !== null) await freeLeases(redis, keys, predecessor, mailboxes);
}

/** How long a visitor waits for a worker to give up a connection: it finishes its mail first. */
const GUEST_TIMEOUT_MS = 12_000;
const GUEST_CHECK_MS = 250;

export interface Visit {
  readonly redis: RedisClient;
  readonly keys: Keys;
  /** Unique among all visitors. */
  readonly visitor: string;
  readonly mailbox: Pick<LeasedMailbox, 'id' | 'connections'>;
  readonly onError: (error: Error) => void;
}

/** A seat for one connection of a visitor, such as the doctor; undefined when none becomes free in time. */
export async function takeGuestLease(visit: Visit): Promise<{ release(): Promise<void> } | undefined> {
  const { redis, keys, visitor, mailbox, onError } = visit;
  if (mailbox.connections === 0) return { release: () => Promise.resolve() };
  const ask = askForGuestLease(visit);
  const release = async () => {
    await redis.hdel(keys.seats(mailbox.id), `visitor:${visitor}`).catch(onError);
  };
  const latestAt = Date.now() + GUEST_TIMEOUT_MS;
  while (!(await ask())) {
    if (Date.now() > latestAt) {
      await release();
      return undefined;
    }
    await delay(GUEST_CHECK_MS);
  }
  const timer = setInterval(() => void ask(), HEARTBEAT_MS);
  return {
    release: async () => {
      clearInterval(timer);
      await release();
    },
  };
}

/** Asks Redis for the seat, or for more time in it; false as well when Redis does not answer. */
function askForGuestLease({
  redis,
  keys,
  visitor,
  mailbox: { id, connections },
  onError,
}: Visit): () => Promise<boolean> {
  const scripts = defineLua(redis, LEASE_SCRIPTS);
  const call = {
    keys: { leaseClock: keys.leaseClock, leases: keys.seats(id), mailboxStatus: keys.mailboxStatus(id) },
    args: { guest: visitor, leaseMs: LEASE_MS, limit: connections },
  };
  return async () => {
    try {
      return (await scripts.renewGuestLease(call)) === 1;
    } catch (error) {
      onError(error as Error);
      return false;
    }
  };
}

function claim(
  scripts: LuaCalls<typeof LEASE_SCRIPTS>,
  keys: Keys,
  worker: string,
  mailboxes: readonly LeasedMailbox[],
): Promise<number[]> {
  const mailboxKeys = mailboxes.map(({ id }) => ({ leases: keys.seats(id), status: keys.mailboxStatus(id) }));
  const demands = mailboxes.map(({ id, connections, open }) => ({
    limit: connections,
    using: open(),
    salt: spread(id),
  }));
  return scripts.renewLeases({
    keys: { leaseClock: keys.leaseClock, workers: keys.workers, mailboxKeys },
    args: { worker, leaseMs: LEASE_MS, mailboxes: demands },
  });
}

/** A number of the mailbox's own, so that the odd seats of many mailboxes don't all go to the same worker. */
function spread(mailbox: string): number {
  return createHash('sha256').update(mailbox).digest().readUInt16BE(0);
}
