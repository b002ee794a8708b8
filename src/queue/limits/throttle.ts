/**
 * Keeps Microsoft's limits for all workers together: admits a message only when its mailbox may send it now, and applies
 * each result. All of it is in Redis, so a worker that dies takes nothing with it.
 */
import { MINUTE_MS } from '../../lib/units.ts';
import type { Backoff, MailboxEffect } from '../../core/mailbox/status.ts';
import {
  type AdmitArgs,
  type AdmitKeys,
  type SettleArgs,
  STATUS_SCRIPTS,
  THROTTLE_SCRIPTS,
  type ThrottleKeys,
} from './scripts.ts';
import type { Keys } from '../redis/keys.ts';
import { type LimitedMailbox, makeStatusReader, type StatusReader } from './status.ts';
import { defineLua, type LuaCalls } from '../redis/lua.ts';
import type { RedisClient } from '../redis/client.ts';

/** Why a message has to wait; `day` is the limit of recipients in 24 h, `recovering` a mailbox that is being tried. */
export type WaitReason = 'paused' | 'held' | 'throttled' | 'recovering' | 'rate' | 'day';

/** What a result changed for its mailbox. */
export type MailboxChange =
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

export interface Throttle extends StatusReader {
  /** What claim.lua needs to admit a message. An admitted message is in progress until its result is applied. */
  admission(mailbox: LimitedMailbox, recipients: number): Admission;
  /** What complete.lua needs to apply a result. */
  result(mailbox: LimitedMailbox, effect: UnblockedEffect): ResultCall;
  /** Applies a message's result to the mailbox's limits. */
  apply(mailbox: LimitedMailbox, message: string, effect: MailboxEffect): Promise<MailboxChange>;
  /** Holds the mailbox, or throttles it; `message` is the one whose result this is. */
  block(mailbox: LimitedMailbox, backoff: Backoff, message?: string): Promise<MailboxChange>;
  /** Nothing is sent until it is resumed. */
  pause(mailbox: string): Promise<void>;
  /** Lets a held mailbox be tried at once; false when it is not held. */
  probe(mailbox: string): Promise<boolean>;
  /** Ends a pause, and lets a held or throttled mailbox be tried at once. */
  resume(mailbox: string): Promise<void>;
}

/** Of a result that neither holds nor slows the mailbox. */
export type UnblockedEffect = Exclude<MailboxEffect, { readonly kind: 'blocked' }>;

export interface Admission {
  readonly keys: AdmitKeys;
  readonly args: AdmitArgs;
}

/** `changeOf` reads the script's answer. */
export interface ResultCall {
  readonly keys: ThrottleKeys;
  readonly args: SettleArgs;
}

export interface ThrottleOptions {
  readonly redis: RedisClient;
  readonly keys: Keys;
  /** The worker that messages are admitted for, by the name of its leases. Without it, only a message's time shows a death. */
  readonly worker?: string;
  /** The window of the limit of messages a minute; tests have a shorter one. */
  readonly windowMs?: number;
  readonly random?: () => number;
}

/** Exchange's "30 messages in any 60 seconds". */
export const WINDOW_MS = MINUTE_MS;
/** The longest that an attempt can take (the reply to the final dot may take ten minutes), and some more. */
const UNDER_WAY_MS_MAX = 15 * MINUTE_MS;

export function openThrottle(options: ThrottleOptions): Throttle {
  const { redis, keys, worker = '', windowMs = WINDOW_MS, random = Math.random } = options;
  const scripts = defineLua(redis, { ...THROTTLE_SCRIPTS, ...STATUS_SCRIPTS });
  const settings = { scripts, keys, worker, windowMs, random };
  return {
    admission: (mailbox, recipients) => admission(settings, mailbox, recipients),
    result: (mailbox, effect) => resultCall(settings, mailbox, effect),
    apply: (mailbox, message, effect) => apply(settings, mailbox, message, effect),
    block: (mailbox, backoff, message = '') => block(settings, mailbox, message, backoff),
    ...makeStatusReader(scripts, keys),
    pause: async (mailbox) => {
      await scripts.pause({ keys: { mailboxStatus: keys.mailboxStatus(mailbox) }, args: {} });
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

async function apply(
  settings: Settings,
  mailbox: LimitedMailbox,
  message: string,
  effect: MailboxEffect,
): Promise<MailboxChange> {
  if (effect.kind === 'blocked') return block(settings, mailbox, message, effect.backoff);
  const { keys, args } = resultCall(settings, mailbox, effect);
  return changeOf(await settings.scripts.settle({ keys, args: { id: message, ...args } }));
}

function resultCall({ keys, windowMs }: Settings, mailbox: LimitedMailbox, effect: UnblockedEffect): ResultCall {
  const args: SettleArgs = {
    took: effect.kind === 'took' ? effect.recipients : '',
    windowMs,
    works: effect.kind === 'works' || (effect.kind === 'took' && effect.certain) ? 1 : 0,
    connections: mailbox.limits.connections,
    underWayMsMax: UNDER_WAY_MS_MAX,
  };
  return { keys: keysOf(keys, mailbox.id), args };
}

/** Reads what the script answers: 1 when the result opened the mailbox again. */
export function changeOf(opened: number): MailboxChange {
  return { kind: opened === 1 ? 'opened' : 'none' };
}

async function block(
  { scripts, keys, random }: Settings,
  { id, limits }: LimitedMailbox,
  message: string,
  backoff: Backoff,
): Promise<MailboxChange> {
  const [isNew, untilMs, state, waitMs] = await scripts.block({
    keys: { mailboxStatus: keys.mailboxStatus(id), underWay: keys.underWay(id) },
    args: {
      state: backoff.state,
      firstWaitMs: backoff.firstWaitMs,
      longestWaitMs: backoff.longestWaitMs,
      askedWaitMs: backoff.askedWaitMs ?? 0,
      jitter: backoff.isExact ? 0 : random(),
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
