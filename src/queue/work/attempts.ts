/**
 * Opens and closes attempts. `claim` gives a message to this worker when a mailbox may send it now; `complete` stores what
 * came of the attempt and applies it to the mailbox's limits. Each is one atomic step in Redis, so a worker may die
 * between any two lines: the record says how far the message was.
 */
import { NO_EFFECT, pendingRecipients, type Transition } from '../../core/deliver/transition.ts';
import { dayLimitReached } from '../../core/mailbox/status.ts';
import { type Attempt, isFinal } from '../../core/message/message.ts';
import { changeOf, type MailboxChange, type Throttle, type WaitReason } from '../limits/throttle.ts';
import type { BodyCipher } from '../records/body-cipher.ts';
import { encodeMailbox } from '../records/codec.ts';
import type { RedisClient } from '../redis/client.ts';
import type { Keys } from '../redis/keys.ts';
import { defineLua, type LuaCalls } from '../redis/lua.ts';
import {
  type Claim,
  type ClaimedJob,
  type ClaimedData,
  type NothingToSend,
  readClaim,
  type Refusal,
  type Wait,
} from './claim.ts';
import type { Route } from './routes.ts';
import { type FinishArgs, WORK_SCRIPTS } from './scripts.ts';
import type { Slot } from '../../lib/async.ts';

export interface Attempts {
  /** Claims the message through the first route that may send it now; otherwise says how long to wait and why. */
  claim(job: ClaimedJob, routes: readonly Route[]): Promise<Claim | NothingToSend | Wait>;
  /** Adds the attempt that a dead worker left open to the record, and to the claim. */
  recordInterrupted(claim: Claim, attempt: Attempt): Promise<Claim>;
  /** Durable: from here on a lost connection means `unknown`. Rejects when another worker has the message by now. */
  markFinalDot(claim: Claim): Promise<void>;
  /** Closes the attempt. When another worker has the message by now, the attempt is only noted. */
  complete(claim: Claim, transition: Transition): Promise<MailboxChange>;
  /** Frees the claim's slot. A claim that was not completed does not count against the mailbox any more. */
  release(claim: Claim): Promise<void>;
}

export interface AttemptsOptions {
  readonly redis: RedisClient;
  readonly keys: Keys;
  readonly throttle: Throttle;
  readonly cipher: BodyCipher;
  /** How long a finished message can be looked up. */
  readonly retentionMs: number;
  readonly now: () => Date;
}

/** How soon to ask again when this worker has no connection for the message. */
const NO_LEASE_WAIT_MS = 500;
/** And when all connections of a mailbox that might take it are busy. */
const BUSY_WAIT_MS = 100;

export function openAttempts(options: AttemptsOptions): Attempts {
  const { redis, keys, throttle, now } = options;
  const using: Using = { ...options, scripts: defineLua(redis, WORK_SCRIPTS) };
  const incomplete = new Set<string>();
  return {
    claim: async (job, routes) => {
      const claim = await claimByAny(job, routes, using);
      if (claim.kind === 'claimed') incomplete.add(keyOf(claim));
      return claim;
    },
    recordInterrupted: (claim, attempt) => recordInterrupted(claim, attempt, using),
    markFinalDot: async ({ id, token }) => {
      const args = { token, nowMs: now().getTime() };
      const marked = await using.scripts.markFinalDot({ keys: { record: keys.record(id) }, args });
      if (marked !== 1)
        throw new Error('Another worker has the message: this one had no answer from Redis for too long.');
    },
    complete: async (claim, transition) => {
      const change = await complete(claim, transition, using);
      incomplete.delete(keyOf(claim));
      return change;
    },
    release: async (claim) => {
      try {
        if (incomplete.delete(keyOf(claim))) await throttle.apply(claim.route.mailbox, claim.id, NO_EFFECT);
      } finally {
        claim.route.semaphore.release();
      }
    },
  };
}

/** No two claims share a token and a message. */
function keyOf({ id, token }: Claim): string {
  return `${token} ${id}`;
}

interface Using extends AttemptsOptions {
  readonly scripts: LuaCalls<typeof WORK_SCRIPTS>;
}

async function claimByAny(
  job: ClaimedJob,
  routes: readonly Route[],
  using: Using,
): Promise<Claim | NothingToSend | Wait> {
  const refusals: Refusal[] = [];
  for (const route of routes) {
    // A pool has other routes: one whose connections are busy for minutes must not keep the message from them.
    if (routes.length > 1 && isBusy(route)) continue;
    const slot = await route.semaphore.acquire();
    if (!slot) continue;
    const answer = await claimWithSlot(job, route, slot, using);
    if (answer.kind !== 'refused') return answer;
    refusals.push(answer);
  }
  return waitAfter(refusals, routes);
}

function isBusy({ semaphore }: Route): boolean {
  return semaphore.taken >= semaphore.limit;
}

function waitAfter(refusals: readonly Refusal[], routes: readonly Route[]): Wait {
  const isBusyPool = routes.length > 1 && routes.some((route) => route.semaphore.limit > 0 && isBusy(route));
  const waits = refusals.map(({ waitMs }) => waitMs);
  if (isBusyPool) waits.push(BUSY_WAIT_MS);
  else if (waits.length === 0) waits.push(NO_LEASE_WAIT_MS);
  return { kind: 'wait', waitMs: Math.min(...waits), refusals };
}

/** The slot stays taken only by a claim. */
async function claimWithSlot(
  job: ClaimedJob,
  route: Route,
  slot: Slot,
  using: Using,
): Promise<Claim | NothingToSend | Refusal> {
  let claim: Claim | NothingToSend | Refusal | undefined;
  try {
    claim = await claimThrough(job, route, slot, using);
    return claim;
  } finally {
    if (claim?.kind !== 'claimed') route.semaphore.release();
  }
}

/** Whatever goes wrong, the message does not count as in flight: it would hold up its mailbox. */
async function claimThrough(
  job: ClaimedJob,
  route: Route,
  slot: Slot,
  using: Using,
): Promise<Claim | NothingToSend | Refusal> {
  let claim: Claim | NothingToSend | Refusal | undefined;
  try {
    const answer = await runClaim(job, route, using);
    claim = 'fields' in answer ? readClaim(answer, { job, route, slot }, using.cipher) : answer;
    return claim;
  } finally {
    if (claim?.kind !== 'claimed' && claim?.kind !== 'refused')
      await using.throttle.apply(route.mailbox, job.id, NO_EFFECT);
  }
}

async function runClaim(
  { id, token, recipients }: ClaimedJob,
  { mailbox }: Route,
  using: Using,
): Promise<ClaimedData | Refusal> {
  const { redis, keys, scripts, throttle, now } = using;
  const admission = throttle.admission(mailbox, recipients);
  const [[reason, waitMs], fields, body = null] = await scripts.claim({
    keys: { record: keys.record(id), body: keys.body(id), ...admission.keys },
    args: {
      prefix: keys.prefix,
      id,
      nowMs: now().getTime(),
      token,
      through: encodeMailbox(mailbox),
      ...admission.args,
    },
  });
  if (!fields)
    return refuse(
      { kind: 'refused', mailbox: mailbox.id, reason: String(reason) as WaitReason, waitMs },
      mailbox,
      throttle,
    );
  // A large body does not come along: a script copies what it answers, and other clients wait meanwhile.
  const loaded = typeof body === 'number' ? await redis.getBuffer(keys.body(id)) : body;
  return { fields, body: loaded };
}

/** A mailbox that has used up its recipients of the day is throttled for as long. */
async function refuse(refusal: Refusal, mailbox: Route['mailbox'], throttle: Throttle): Promise<Refusal> {
  if (refusal.reason !== 'day') return refusal;
  const backoff = dayLimitReached(mailbox.limits.recipientsPerDay, refusal.waitMs);
  return { ...refusal, change: await throttle.block(mailbox, backoff) };
}

async function recordInterrupted(claim: Claim, attempt: Attempt, using: Using): Promise<Claim> {
  const { keys, scripts, throttle } = using;
  const { id, route, state } = claim;
  await scripts.noteInterrupted({ keys: { record: keys.record(id) }, args: { attempt: JSON.stringify(attempt) } });
  // Exchange may have accepted it: it counts against the limits, apart from the attempt that begins now.
  const took = { kind: 'took', recipients: pendingRecipients(state).length, certain: false } as const;
  if (attempt.outcome === 'unknown') await throttle.apply(route.mailbox, `${id}:interrupted`, took);
  return { ...claim, state: { ...state, attempts: [...state.attempts, attempt] } };
}

/** A result that blocks the mailbox takes two steps, the record's first: a worker may die between them. */
async function complete(claim: Claim, transition: Transition, using: Using): Promise<MailboxChange> {
  const { redis, keys, scripts, throttle } = using;
  const { id, route } = claim;
  const { effect } = transition;
  // Exchange may have accepted it from this mailbox: another one would send other bytes.
  if (transition.attempt.outcome === 'unknown') await redis.hset(keys.record(id), 'pinned', 1);
  const finish = finishCall(claim, transition, using);
  if (effect.kind === 'blocked') {
    await scripts.finish(finish);
    return throttle.block(route.mailbox, effect.backoff, id);
  }
  const result = throttle.result(route.mailbox, effect);
  const opened = await scripts.complete({
    keys: { ...finish.keys, ...result.keys },
    args: { ...finish.args, ...result.args },
  });
  return changeOf(opened);
}

function finishCall(
  { id, token }: Claim,
  { attempt, recipients, status, nextAttemptAt }: Transition,
  { keys, retentionMs }: Using,
) {
  const args: FinishArgs = {
    prefix: keys.prefix,
    id,
    token,
    attempt: JSON.stringify(attempt),
    recipients: JSON.stringify(recipients),
    status,
    nextAttemptAtMs: nextAttemptAt?.getTime() ?? '',
    finishedAtMs: isFinal(status) ? attempt.at.getTime() + attempt.durationMs : '',
    retentionMs,
  };
  return { keys: { record: keys.record(id), body: keys.body(id) }, args };
}
