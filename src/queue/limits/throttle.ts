/**
 * Keeps Microsoft's rules for the whole fleet: admits a message only when its mailbox may send it now, and takes each
 * result into account. All of it stands in Redis; a worker that dies takes nothing with it.
 */
import type { MailboxLimits } from '../../core/mailbox/mailbox.ts';
import { dayLimitReached, type MailboxEffect, type Backoff, type MailboxStatus } from '../../core/mailbox/status.ts';
import { type AdmitArgs, type AdmitKeys, type SettleArgs, THROTTLE_SCRIPTS, type ThrottleKeys } from './scripts.ts';
import type { Keys } from '../redis/keys.ts';
import { readMailboxStatus } from './status.ts';
import { defineLua, type LuaCalls } from '../redis/lua.ts';
import type { RedisClient } from '../redis/client.ts';

/** Why a message has to wait; `day` is the limit of recipients in 24 h, `recovering` a mailbox that is being tried. */
export type WaitReason = 'paused' | 'held' | 'throttled' | 'recovering' | 'rate' | 'day';

export interface Wait {
  readonly kind: 'wait';
  readonly reason: WaitReason;
  readonly waitMs: number;
  readonly change?: Change;
}

/** What has changed for the mailbox with this result. */
export type Change =
  | { readonly kind: 'none' }
  | { readonly kind: 'opened' }
  | {
      readonly kind: 'blocked';
      readonly backoff: Backoff;
      readonly until: Date;
      /** How long that is by Redis's clock. */
      readonly waitMs: number;
      readonly isNew: boolean;
    };

export interface LimitedMailbox {
  readonly id: string;
  readonly limits: MailboxLimits;
}

export interface Throttle {
  /** What admits a message, for the script that opens its attempt; from then on it is under way until it is settled. */
  admission(mailbox: LimitedMailbox, recipients: number): Admission;
  /** Takes into account why a message was not admitted: a mailbox without room in its day is throttled for so long. */
  refused(mailbox: LimitedMailbox, wait: Wait): Promise<Wait>;
  /** Takes a message's result into account. */
  settle(mailbox: LimitedMailbox, message: string, effect: MailboxEffect): Promise<Change>;
  /** What `settle` would do, for a script that does it along with its own work. */
  settlement(mailbox: LimitedMailbox, effect: UnblockedEffect): Settlement;
  mailboxStatus(mailbox: string): Promise<MailboxStatus>;
  /** Whether it is paused, or held or throttled for some more time. */
  isBlocked(mailbox: string): Promise<boolean>;
  /** How many messages each may send now, and whether it is neither held nor paused. */
  room(mailboxes: readonly LimitedMailbox[]): Promise<readonly Room[]>;
  /** Nothing is sent until it is resumed. */
  pause(mailbox: string): Promise<void>;
  /** Lets a held mailbox be tried at once; false when it is not held. */
  probe(mailbox: string): Promise<boolean>;
  /** Ends a pause, and lets a held or throttled mailbox be tried at once. */
  resume(mailbox: string): Promise<void>;
}

/** Of a result that neither holds nor slows the mailbox. */
export type UnblockedEffect = Exclude<MailboxEffect, { readonly kind: 'blocked' }>;

/** What claim.lua needs to admit a message. */
export interface Admission {
  readonly keys: AdmitKeys;
  readonly args: AdmitArgs;
}

/** What complete.lua needs to take a result into account; `changeOf` reads its answer. */
export interface Settlement {
  readonly keys: ThrottleKeys;
  readonly args: SettleArgs;
}

export interface Room {
  readonly messages: number;
  readonly works: boolean;
}

export interface ThrottleOptions {
  readonly redis: RedisClient;
  readonly keys: Keys;
  /** The worker that messages are admitted for, as its seats name it; without one a message's time alone tells that it died. */
  readonly worker?: string;
  /** The window of the limit of messages a minute: 60,000, but for tests that have no minute. */
  readonly windowMs?: number;
  readonly random?: () => number;
}

/** Exchange's "30 messages in any 60 seconds". */
export const WINDOW_MS = 60_000;
/** The longest that an attempt can be under way (the reply to the final dot may take ten minutes), and some more. */
const UNDER_WAY_MS_MAX = 15 * 60_000;

export function openThrottle(options: ThrottleOptions): Throttle {
  const { redis, keys, worker = '', windowMs = WINDOW_MS, random = Math.random } = options;
  const scripts = defineLua(redis, THROTTLE_SCRIPTS);
  const settings = { scripts, keys, worker, windowMs, random };
  return {
    admission: (mailbox, recipients) => admission(settings, mailbox, recipients),
    refused: (mailbox, wait) => refused(settings, mailbox, wait),
    settle: (mailbox, message, effect) => settle(settings, mailbox, message, effect),
    settlement: (mailbox, effect) => settlement(settings, mailbox, effect),
    mailboxStatus: (mailbox) => readMailboxStatus(redis, keys, mailbox),
    isBlocked: (mailbox) => isBlocked(redis, keys, mailbox),
    room: (mailboxes) => Promise.all(mailboxes.map((mailbox) => roomOf(redis, keys, mailbox))),
    pause: async (mailbox) => {
      await redis.hset(keys.mailboxStatus(mailbox), 'pausedMs', Date.now());
    },
    probe: async (mailbox) => {
      if ((await redis.hget(keys.mailboxStatus(mailbox), 'state')) !== 'held') return false;
      await redis.hset(keys.mailboxStatus(mailbox), 'untilMs', 0);
      return true;
    },
    resume: async (mailbox) => {
      await redis
        .multi()
        .hdel(keys.mailboxStatus(mailbox), 'pausedMs')
        .hset(keys.mailboxStatus(mailbox), 'untilMs', 0)
        .exec();
    },
  };
}

interface Settings {
  readonly scripts: LuaCalls<typeof THROTTLE_SCRIPTS>;
  readonly keys: Keys;
  readonly worker: string;
  readonly windowMs: number;
  readonly random: () => number;
}

function keysOf(keys: Keys, mailbox: string): ThrottleKeys {
  return {
    mailboxStatus: keys.mailboxStatus(mailbox),
    sent: keys.sent(mailbox),
    underWay: keys.underWay(mailbox),
    recipientCounts: keys.recipients(mailbox),
  };
}

function admission(
  { keys, worker, windowMs }: Settings,
  { id, limits: { messagesPerMinute, recipientsPerDay } }: LimitedMailbox,
  recipients: number,
): Admission {
  return {
    keys: { ...keysOf(keys, id), workers: keys.workers, leaseClock: keys.leaseClock },
    args: {
      recipients,
      worker,
      perWindow: messagesPerMinute,
      perDay: recipientsPerDay,
      windowMs,
      underWayMsMax: UNDER_WAY_MS_MAX,
    },
  };
}

async function refused(settings: Settings, mailbox: LimitedMailbox, wait: Wait): Promise<Wait> {
  if (wait.reason !== 'day') return wait;
  // The time is known to the minute: there is nothing to spread.
  const exact = { ...settings, random: () => 0 };
  const { recipientsPerDay } = mailbox.limits;
  return { ...wait, change: await block(exact, mailbox, '', dayLimitReached(recipientsPerDay, wait.waitMs)) };
}

async function settle(
  settings: Settings,
  mailbox: LimitedMailbox,
  message: string,
  effect: MailboxEffect,
): Promise<Change> {
  if (effect.kind === 'blocked') return block(settings, mailbox, message, effect.backoff);
  const { keys, args } = settlement(settings, mailbox, effect);
  return changeOf(await settings.scripts.settle({ keys, args: { id: message, ...args } }));
}

function settlement({ keys, windowMs }: Settings, mailbox: LimitedMailbox, effect: UnblockedEffect): Settlement {
  const args: SettleArgs = {
    took: effect.kind === 'took' ? effect.recipients : '',
    windowMs,
    works: effect.kind === 'works' || (effect.kind === 'took' && effect.certain) ? 1 : 0,
    connections: mailbox.limits.connections,
    underWayMsMax: UNDER_WAY_MS_MAX,
  };
  return { keys: keysOf(keys, mailbox.id), args };
}

/** What the throttle's step answers: 1 when it has opened the mailbox. */
export function changeOf(opened: number): Change {
  return { kind: opened === 1 ? 'opened' : 'none' };
}

async function block(
  { scripts, keys, random }: Settings,
  { id, limits }: LimitedMailbox,
  message: string,
  backoff: Backoff,
): Promise<Change> {
  const [isNew, untilMs, state, waitMs] = await scripts.block({
    keys: { mailboxStatus: keys.mailboxStatus(id), underWay: keys.underWay(id) },
    args: {
      state: backoff.state,
      firstWaitMs: backoff.firstWaitMs,
      longestWaitMs: backoff.longestWaitMs,
      askedWaitMs: backoff.askedWaitMs ?? 0,
      jitter: random(),
      reason: JSON.stringify(backoff.reason),
      id: message,
      tooMany: backoff.tooManyConnections ? limits.connections : 0,
      heldAfter: backoff.heldAfter ?? 0,
    },
  });
  return {
    kind: 'blocked',
    backoff: { ...backoff, state },
    until: new Date(untilMs),
    waitMs,
    isNew: isNew === 1,
  };
}

/** Asked for all mailboxes of a pool at once, so their commands share one round trip. */
async function roomOf(redis: RedisClient, keys: Keys, { id, limits }: LimitedMailbox): Promise<Room> {
  const [sent, underWay, [state, paused]] = await Promise.all([
    redis.zcount(keys.sent(id), `(${Date.now()}`, '+inf'),
    redis.hlen(keys.underWay(id)),
    redis.hmget(keys.mailboxStatus(id), 'state', 'pausedMs'),
  ]);
  const limit = limits.messagesPerMinute || Number.MAX_SAFE_INTEGER;
  return { messages: limit - sent - underWay, works: state !== 'held' && !paused };
}

/** By Redis's clock: one that is ahead would have the worker ask over and over again. */
async function isBlocked(redis: RedisClient, keys: Keys, mailbox: string): Promise<boolean> {
  const [[state, untilMs, paused], [seconds]] = await Promise.all([
    redis.hmget(keys.mailboxStatus(mailbox), 'state', 'untilMs', 'pausedMs'),
    redis.time(),
  ]);
  return Boolean(paused) || (Boolean(state) && Number(untilMs) > Number(seconds) * 1_000);
}
