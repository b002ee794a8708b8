/**
 * The Lua side of the throttle: what a mailbox may send now, kept in Redis and told by Redis's own clock, so that any
 * number of workers on any number of machines keep one limit together. Each script is one atomic step.
 *
 * A mailbox has four keys:
 *   mailboxStatus    hash: what holds it back. state (held, throttled; none = open), untilMs, sinceMs, strikes and calmAtMs of
 *               each kind of fault, cap (messages under way while it finds its pace), seatCap, seatCapAtMs, pausedMs,
 *               the reason, and paceMs (how long a message was under way of late, from its admission to its result)
 *   sent        sorted set: each message that Exchange took -> when its place in the window is free again (ms)
 *   underWay    hash: message -> "expiry in ms:recipients:worker", from its admission until its result is known
 *   recipients  hash: minute -> recipients that Exchange took in it; total = their sum; oldest = the first minute
 */
import { defineLua, type LuaScript, NOW } from '../redis/lua.ts';
import type { RedisClient } from '../redis/client.ts';
import { LEASE_CLOCK, CONNECTION_BACK_MS } from './lease-scripts.ts';

const DAY_MINUTES = 1_440;

/** Lets go of the minutes that are more than 24 h old; returns what is left and the first minute. */
const RECIPIENTS_TAKEN = `
local function recipientsTaken(key, minute)
  local total = tonumber(redis.call('HGET', key, 'total') or '0')
  local oldest = tonumber(redis.call('HGET', key, 'oldest') or minute)
  local first = minute - ${DAY_MINUTES}
  if oldest < first - ${DAY_MINUTES} then
    redis.call('DEL', key)
    return 0, minute
  end
  while oldest < first do
    local count = redis.call('HGET', key, oldest)
    if count then
      total = total - tonumber(count)
      redis.call('HDEL', key, oldest)
    end
    oldest = oldest + 1
  end
  redis.call('HSET', key, 'oldest', oldest, 'total', total)
  return total, oldest
end
`;

/**
 * A message that never came to a result may have been sent, so it counts against the rate: its worker has died, and no
 * lease of seats among `workers` tells of it any more, or its time is over. It holds up no other as one under way.
 */
const MESSAGES_UNDER_WAY = `
local function messagesUnderWay(key, sent, workers, id, now, clock, windowMs)
  local count, recipients = 0, 0
  local leases = {}
  local function leaseOf(worker)
    leases[worker] = leases[worker] or tonumber(redis.call('ZSCORE', workers, worker) or '0')
    return leases[worker]
  end
  local entries = redis.call('HGETALL', key)
  for i = 1, #entries, 2 do
    local expiry, size, worker = string.match(entries[i + 1], '^(%d+):(%d+):?(.*)$')
    local isDead = worker ~= '' and leaseOf(worker) <= clock
    if entries[i] == id then
      -- It comes again: another worker has taken it up.
    elseif isDead or tonumber(expiry) <= now then
      redis.call('HDEL', key, entries[i])
      redis.call('ZADD', sent, now + windowMs, entries[i] .. ':' .. now)
    else
      count = count + 1
      recipients = recipients + tonumber(size)
    end
  end
  return count, recipients
end
`;

/**
 * Admits a message to its attempt, or says how long to wait and why.
 *
 * KEYS mailboxStatus, sent, underWay, recipients, workers, lease clock
 * ARGV[1] message   ARGV[2] its recipients   ARGV[3] messages a window (0 = no limit)   ARGV[4] recipients a day (0 = no
 * limit)   ARGV[5] window (ms)   ARGV[6] how long it may be under way (ms)   ARGV[7] the worker that has it
 * Returns {'admitted', 0} or {reason, wait in ms}; the reasons are paused, held, throttled, recovering, rate, day.
 */
export const ADMIT = `
${NOW}
${LEASE_CLOCK}
${RECIPIENTS_TAKEN}
${MESSAGES_UNDER_WAY}
local mailboxStatus, sent, underWay, recipients = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local id, size, perWindow, perDay, windowMs = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5])
local known = redis.call('HMGET', mailboxStatus, 'state', 'untilMs', 'cap', 'pausedMs')
if known[4] then return {'paused', 60000} end
local untilMs = tonumber(known[2] or '0')
if known[1] and untilMs > now then return {known[1], untilMs - now} end
local count, sizes = messagesUnderWay(underWay, sent, KEYS[5], id, now, leaseClock(KEYS[6], now), windowMs)
if known[1] and count >= tonumber(known[3] or '1') then return {'recovering', 250} end
if perWindow > 0 then
  redis.call('ZREMRANGEBYSCORE', sent, '-inf', now)
  if redis.call('ZCARD', sent) + count >= perWindow then
    local first = redis.call('ZRANGE', sent, 0, 0, 'WITHSCORES')
    return {'rate', first[2] and math.max(1, tonumber(first[2]) - now) or 100}
  end
end
if perDay > 0 then
  local minute = math.floor(now / 60000)
  local total, oldest = recipientsTaken(recipients, minute)
  local excess = total + sizes + size - perDay
  if excess > 0 then
    local freed = 0
    while freed < excess and oldest <= minute do
      freed = freed + tonumber(redis.call('HGET', recipients, oldest) or '0')
      oldest = oldest + 1
    end
    return {'day', math.max(1000, (oldest + ${DAY_MINUTES}) * 60000 - now)}
  end
end
redis.call('HSET', underWay, id, string.format('%.0f:%d:%s', now + tonumber(ARGV[6]), size, ARGV[7]))
return {'admitted', 0}
`;

/**
 * Takes a message's result into account.
 *
 * KEYS mailboxStatus, sent, underWay, recipients
 * ARGV[1] message   ARGV[2] recipients that Exchange took, or may have taken ('' = it took nothing)   ARGV[3] window (ms)
 * ARGV[4] 1 when the result shows that Exchange works with this mailbox   ARGV[5] connections of the mailbox, 0 = no limit
 * ARGV[6] how long a message may be under way (ms), as it was admitted
 * Returns 1 when this has opened the mailbox again.
 */
export const SETTLE = `
${NOW}
${RECIPIENTS_TAKEN}
local mailboxStatus, sent, underWay, recipients = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local expiry = string.match(redis.call('HGET', underWay, ARGV[1]) or '', '^%d+')
redis.call('HDEL', underWay, ARGV[1])
if ARGV[2] ~= '' then
  if expiry then
    local took = now + tonumber(ARGV[6]) - tonumber(expiry)
    local pace = tonumber(redis.call('HGET', mailboxStatus, 'paceMs') or took)
    redis.call('HSET', mailboxStatus, 'paceMs', string.format('%.1f', pace + (took - pace) / 10))
  end
  local windowMs = tonumber(ARGV[3])
  redis.call('ZADD', sent, now + windowMs, ARGV[1] .. ':' .. now)
  redis.call('PEXPIRE', sent, windowMs)
  local minute = math.floor(now / 60000)
  recipientsTaken(recipients, minute)
  redis.call('HINCRBY', recipients, 'total', ARGV[2])
  redis.call('HINCRBY', recipients, minute, ARGV[2])
  redis.call('PEXPIRE', recipients, ${2 * DAY_MINUTES} * 60000)
end
if ARGV[4] ~= '1' then return 0 end
local known = redis.call('HMGET', mailboxStatus, 'state', 'untilMs', 'cap')
-- A message that was under way when the mailbox was held says nothing of what came after.
if not known[1] or tonumber(known[2]) > now then return 0 end
local cap = 2 * tonumber(known[3] or '1')
local full = math.max(1, tonumber(ARGV[5]))
if known[1] == 'throttled' and cap <= full then
  redis.call('HSET', mailboxStatus, 'cap', cap)
  return 0
end
redis.call('HDEL', mailboxStatus, 'state', 'untilMs', 'sinceMs', 'cap', 'reason')
return 1
`;

/**
 * A mailbox that then works for as long as it had to wait, and at least for so long, has got over it: the next fault is
 * the first again. Longer, and passing faults that have nothing to do with each other would add up to waits of minutes.
 * For the same reason each kind of fault, known by its state and its first wait, has a count of its own.
 */
const CALM_MS_MIN = 60_000;

/**
 * Holds a mailbox or slows it down after a fault of its own, for longer each time it comes again.
 *
 * KEYS mailboxStatus, sent, underWay, recipients
 * ARGV[1] held | throttled   ARGV[2] first wait (ms)   ARGV[3] longest wait (ms)   ARGV[4] wait that the reply asks for (ms,
 * 0 = none)   ARGV[5] jitter, 0 to 1   ARGV[6] reason (JSON)   ARGV[7] message (it is no longer under way)
 * ARGV[8] connections that were too many, 0 = that was not the fault
 * ARGV[9] after so many times in a row a throttled mailbox is held, 0 = never
 * Returns {1 when the state is new, until (ms), state, how long that is from now (ms): a worker's clock may be wrong}.
 */
const BLOCK = `
${NOW}
local mailboxStatus = KEYS[1]
if ARGV[7] ~= '' then redis.call('HDEL', KEYS[3], ARGV[7]) end
local kind = ARGV[1] .. ':' .. ARGV[2]
local known = redis.call('HMGET', mailboxStatus, 'state', 'untilMs', 'strikes:' .. kind, 'calmAtMs:' .. kind, 'seatCap', 'seatCapAtMs')
local strikes = 0
if tonumber(known[4] or '0') > now then strikes = tonumber(known[3] or '0') end
local state, heldAfter = ARGV[1], tonumber(ARGV[9])
if heldAfter > 0 and strikes >= heldAfter then state = 'held' end
local isNew = known[1] ~= state
if ARGV[8] ~= '0' then
  local back = math.floor((now - tonumber(known[6] or '0')) / ${CONNECTION_BACK_MS})
  local seats = math.min(tonumber(ARGV[8]), tonumber(known[5] or ARGV[8]) + back)
  redis.call('HSET', mailboxStatus, 'seatCap', math.max(1, seats - 1), 'seatCapAtMs', now)
end
-- Others that were under way meet the same fault at the same time: it counts once.
if not isNew and tonumber(known[2]) > now then return {0, tonumber(known[2]), state, tonumber(known[2]) - now} end
local wait = math.min(tonumber(ARGV[3]), tonumber(ARGV[2]) * 2 ^ math.min(strikes, 30))
wait = math.floor(math.max(wait, tonumber(ARGV[4])) * (1 + 0.2 * tonumber(ARGV[5])))
redis.call('HSET', mailboxStatus, 'state', state, 'untilMs', now + wait, 'strikes:' .. kind, strikes + 1,
  'calmAtMs:' .. kind, now + wait + math.max(wait, ${CALM_MS_MIN}), 'cap', 1, 'reason', ARGV[6])
if isNew then redis.call('HSET', mailboxStatus, 'sinceMs', now) end
return {isNew and 1 or 0, now + wait, state, wait}
`;

/** Each takes its keys and its arguments, as they are listed with it. */
export interface ThrottleScripts {
  readonly settle: LuaScript<number>;
  readonly block: LuaScript<[number, number, 'held' | 'throttled', number]>;
}

export function defineThrottleScripts(redis: RedisClient): ThrottleScripts {
  return defineLua<ThrottleScripts>(redis, { settle: SETTLE, block: BLOCK });
}
