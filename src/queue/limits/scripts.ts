/**
 * The Lua scripts of the mailboxes' limits. What a mailbox may send now, and who may have how many connections to it, is
 * kept in Redis and goes by Redis's clock, so that any number of workers on any number of machines keep one limit
 * together. Each script is one atomic step.
 *
 * A mailbox has six keys:
 *   mailboxStatus    hash: what blocks it. state (held, throttled; none = open), untilMs, sinceMs, strikes and calmAtMs
 *                    of each kind of fault, cap (messages in progress while it finds its pace), seatCap and seatCapAtMs
 *                    (connections, after too many), pausedMs, the reason, and paceMs (how long a message was in progress
 *                    lately, from its admission to its result)
 *   sent             sorted set: each message that Exchange took -> when its slot in the window is free again (ms)
 *   underWay         hash: message -> "expiry in ms:recipients:worker", from its admission until its result is known
 *   recipientCounts  hash: minute -> recipients that Exchange took in it; total = their sum; oldest = the first minute
 *   leases           hash: worker, or visitor:GUEST -> "connections:end of the lease by the lease clock"
 *   openConnections  hash: worker -> the connections that it had open at its last heartbeat
 */
import { HOUR_MS, MINUTE_MS } from '../../lib/units.ts';
import { luaScript } from '../redis/lua.ts';

/** A worker renews its leases this often. */
export const HEARTBEAT_MS = 2_000;

/** A dead worker's leases end after this long, and with the next heartbeat others have its connections: within 30 s. */
export const LEASE_MS = 12_000;

/** What Lua scripts that read or write leases know from here. */
export const LEASE_CONSTANTS = {
  /** Two heartbeats: one may be late. */
  LEASE_CLOCK_RUN_MS_MAX: 2 * HEARTBEAT_MS,
  /** A mailbox that had too many connections gets one back after each such time. */
  CONNECTION_BACK_MS: 5 * MINUTE_MS,
  /** A worker that has not renewed its leases for this long, by any clock, has no connection any more. */
  LEASES_KEPT_MS: HOUR_MS,
} as const;

export type ThrottleKeys = { mailboxStatus: string; sent: string; underWay: string; recipientCounts: string };

/** What admits a message to its mailbox, as claim.lua takes it. */
export type AdmitArgs = {
  recipients: number;
  worker: string;
  perWindow: number;
  perDay: number;
  windowMs: number;
  underWayMsMax: number;
};
export type AdmitKeys = ThrottleKeys & { workers: string; leaseClock: string };

/** A message's result, as settle.lua and complete.lua take it. */
export type SettleArgs = {
  took: number | '';
  windowMs: number;
  works: 0 | 1;
  connections: number;
  underWayMsMax: number;
};

export const THROTTLE_SCRIPTS = {
  settle: luaScript<ThrottleKeys, { id: string } & SettleArgs, number>(new URL('settle.lua', import.meta.url)),
  block: luaScript<
    { mailboxStatus: string; underWay: string },
    {
      state: string;
      firstWaitMs: number;
      longestWaitMs: number;
      askedWaitMs: number;
      jitter: number;
      reason: string;
      id: string;
      tooMany: number;
      heldAfter: number;
    },
    [isNew: number, untilMs: number, state: 'held' | 'throttled', waitMs: number]
  >(new URL('block.lua', import.meta.url), { constants: LEASE_CONSTANTS }),
};

type NoArgs = Readonly<Record<string, never>>;

export const STATUS_SCRIPTS = {
  status: luaScript<
    ThrottleKeys & { leases: string; openConnections: string; leaseClock: string },
    NoArgs,
    [connections: number, reserved: number, messages: number, recipients: number, underWay: number, fields: string[]]
  >(new URL('status.lua', import.meta.url)),
  room: luaScript<
    { mailboxes: readonly { status: string; sent: string; underWay: string }[] },
    NoArgs,
    readonly [used: number, works: 0 | 1, isBlocked: 0 | 1][]
  >(new URL('room.lua', import.meta.url)),
  pause: luaScript<{ mailboxStatus: string }, NoArgs, null>(new URL('pause.lua', import.meta.url)),
};

export const LEASE_SCRIPTS = {
  renewLeases: luaScript<
    {
      leaseClock: string;
      workers: string;
      mailboxKeys: readonly { leases: string; openConnections: string; status: string }[];
    },
    { worker: string; leaseMs: number; mailboxes: readonly { limit: number; using: number; salt: number }[] },
    number[]
  >(new URL('renew-leases.lua', import.meta.url), { constants: LEASE_CONSTANTS }),
  renewGuestLease: luaScript<
    { leaseClock: string; leases: string; mailboxStatus: string },
    { guest: string; leaseMs: number; limit: number },
    number
  >(new URL('renew-guest-lease.lua', import.meta.url), { constants: LEASE_CONSTANTS }),
};
