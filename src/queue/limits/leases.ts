/**
 * A worker's connection leases: how many connections to each mailbox it may have open now. With each heartbeat the
 * connections are shared out again. A worker that dies or is cut off loses its leases when they end, and the others get
 * its connections.
 */
import { createHash } from 'node:crypto';
import { openPeriodic } from '../../lib/async.ts';
import type { Keys } from '../redis/keys.ts';
import { defineLua, type LuaCalls } from '../redis/lua.ts';
import type { RedisClient } from '../redis/client.ts';
import { HEARTBEAT_MS, LEASE_MS, LEASE_SCRIPTS } from './scripts.ts';

export interface LeasedMailbox {
  readonly id: string;
  /** Connections that all workers together may have; 0 = no limit. */
  readonly connections: number;
  /** Connections that this worker has open now, idle ones included. */
  readonly open: () => number;
  /** Called with the number of connections that this worker may have from now on. */
  readonly onLeases: (connections: number) => void;
  /** Called when it may have none: Redis did not answer for so long that other workers may soon have its connections. */
  readonly onLost: () => void;
}

export interface LeasesOptions {
  readonly redis: RedisClient;
  readonly keys: Keys;
  /** Unique among all workers. */
  readonly worker: string;
  /** Read with every heartbeat: mailboxes may come and go. */
  readonly mailboxes: () => readonly LeasedMailbox[];
  readonly onError: (error: Error) => void;
}

export interface Leases {
  /** Gives back the leases of one mailbox, whose connections must be closed before. */
  leave(mailbox: string): Promise<void>;
  /** Gives back all leases. */
  close(): Promise<void>;
}

/** A worker's own lease ends before Redis ends it: closing its connections takes a moment. */
const OWN_LEASE_MS = LEASE_MS - HEARTBEAT_MS;
/** How many connections each worker may have to a mailbox without a limit. */
const CONNECTIONS_UNLIMITED = 20;

/** The first leases come with Redis's first answer. */
export function openLeases(options: LeasesOptions): Leases {
  const { redis, keys, worker, mailboxes, onError } = options;
  const renewal = makeRenewal(options);
  const heartbeat = openPeriodic(
    HEARTBEAT_MS,
    () => {
      for (const { connections, onLeases } of mailboxes()) if (connections === 0) onLeases(CONNECTIONS_UNLIMITED);
      return renewal.renew();
    },
    onError,
  );
  heartbeat.run();
  return {
    leave: (mailbox) => freeMailbox(redis, keys, worker, mailbox),
    close: async () => {
      await heartbeat.close();
      renewal.close();
      const ids = mailboxes().map(({ id }) => id);
      await freeLeases(redis, keys, worker, ids).catch(onError);
    },
  };
}

/** Renews the leases in Redis; without an answer they end here before they end there. */
function makeRenewal({ redis, keys, worker, mailboxes }: LeasesOptions) {
  const scripts = defineLua(redis, LEASE_SCRIPTS);
  let end: NodeJS.Timeout | undefined;
  const lose = () => {
    for (const { connections, onLost } of mailboxes()) if (connections > 0) onLost();
  };
  return {
    renew: async () => {
      const askedAt = performance.now();
      const limited = mailboxes().filter(({ connections }) => connections > 0);
      const granted = await renewLeases(scripts, keys, worker, limited);
      const leftMs = askedAt + OWN_LEASE_MS - performance.now();
      // An answer that took too long is for a lease that may have ended.
      if (leftMs <= 0) return;
      clearTimeout(end);
      end = setTimeout(lose, leftMs);
      for (const [i, { onLeases }] of limited.entries()) onLeases(granted[i] ?? 0);
    },
    close: () => clearTimeout(end),
  };
}

function renewLeases(
  scripts: LuaCalls<typeof LEASE_SCRIPTS>,
  keys: Keys,
  worker: string,
  mailboxes: readonly LeasedMailbox[],
): Promise<number[]> {
  return scripts.renewLeases({
    keys: {
      leaseClock: keys.leaseClock,
      workers: keys.workers,
      mailboxKeys: mailboxes.map(({ id }) => ({
        leases: keys.leases(id),
        openConnections: keys.openConnections(id),
        status: keys.mailboxStatus(id),
      })),
    },
    args: {
      worker,
      leaseMs: LEASE_MS,
      mailboxes: mailboxes.map(({ id, connections, open }) => ({
        limit: connections,
        using: open(),
        salt: saltOf(id),
      })),
    },
  });
}

/** Of the mailbox's own, so that the odd connections of many mailboxes do not all go to the same worker. */
function saltOf(mailbox: string): number {
  return createHash('sha256').update(mailbox).digest().readUInt16BE(0);
}

async function freeMailbox(redis: RedisClient, keys: Keys, worker: string, mailbox: string): Promise<void> {
  await Promise.all([redis.hdel(keys.leases(mailbox), worker), redis.hdel(keys.openConnections(mailbox), worker)]);
}

async function freeLeases(redis: RedisClient, keys: Keys, worker: string, mailboxes: readonly string[]): Promise<void> {
  const freed = mailboxes.map((mailbox) => freeMailbox(redis, keys, worker, mailbox));
  await Promise.all([redis.zrem(keys.workers, worker), ...freed]);
}

/**
 * For a worker that is the only one of its installation: one that was killed before it has no connections any more, so
 * its leases need not wait for their end.
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
