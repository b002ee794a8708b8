/** A lease of one connection for a guest, such as the doctor: the workers give it up, so that no connection is one too many. */
import { setTimeout as delay } from 'node:timers/promises';
import type { Keys } from '../redis/keys.ts';
import { defineLua } from '../redis/lua.ts';
import type { RedisClient } from '../redis/client.ts';
import { HEARTBEAT_MS, LEASE_MS, LEASE_SCRIPTS } from './scripts.ts';

/** How long a guest waits for a worker to give up a connection: the worker finishes its message first. */
const GUEST_TIMEOUT_MS = 12_000;
const GUEST_CHECK_MS = 250;

export interface GuestLeaseOptions {
  readonly redis: RedisClient;
  readonly keys: Keys;
  /** Unique among all guests. */
  readonly guest: string;
  readonly mailbox: {
    readonly id: string;
    /** Connections that all workers together may have; 0 = no limit. */
    readonly connections: number;
  };
  readonly onError: (error: Error) => void;
}

export interface GuestLease {
  release(): Promise<void>;
}

/** Waits for a connection; undefined when no connection becomes free in time. */
export async function takeGuestLease(options: GuestLeaseOptions): Promise<GuestLease | undefined> {
  const { redis, keys, guest, mailbox, onError } = options;
  if (mailbox.connections === 0) return { release: () => Promise.resolve() };
  const renew = makeRenewal(options);
  const release = async () => {
    await redis.hdel(keys.leases(mailbox.id), `visitor:${guest}`).catch(onError);
  };
  const latestAt = performance.now() + GUEST_TIMEOUT_MS;
  while (!(await renew())) {
    if (performance.now() > latestAt) {
      await release();
      return undefined;
    }
    await delay(GUEST_CHECK_MS);
  }
  const timer = setInterval(() => void renew(), HEARTBEAT_MS);
  return {
    release: async () => {
      clearInterval(timer);
      await release();
    },
  };
}

/** Asks Redis for the lease, or for more time in it. Resolves to false as well when Redis does not answer. */
function makeRenewal({ redis, keys, guest, mailbox, onError }: GuestLeaseOptions): () => Promise<boolean> {
  const { id, connections } = mailbox;
  const scripts = defineLua(redis, LEASE_SCRIPTS);
  const call = {
    keys: { leaseClock: keys.leaseClock, leases: keys.leases(id), mailboxStatus: keys.mailboxStatus(id) },
    args: { guest, leaseMs: LEASE_MS, limit: connections },
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
