/**
 * The Lua side of the governor: what a mailbox may send now, kept in Redis and told by Redis's own clock, so that any
 * number of workers on any number of machines keep one limit together. Each script is one atomic step.
 *
 * A mailbox has four keys:
 *   standing    hash: what holds it back. state (held, throttled; none = open), untilMs, sinceMs, strikes, calmAtMs,
 *               cap (messages under way while it finds its pace), seatCap, seatCapAtMs, pausedMs, the reason, and paceMs
 *               (how long a message was under way of late, from its admission to its result)
 *   sent        sorted set: each message that Exchange took -> when its place in the window is free again (ms)
 *   underWay    hash: message -> "expiry in ms:recipients:worker", from its admission until its result is known
 *   recipients  hash: minute -> recipients that Exchange took in it; total = their sum; oldest = the first minute
 */
import type { RedisClient } from './redis.ts';

const NOW = `
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
`;

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
local function messagesUnderWay(key, sent, workers, id, now, windowMs)
  local count, recipients = 0, 0
  local leases = {}
  local function leaseOf(worker)
    leases[worker] = leases[worker] or tonumber(redis.call('ZSCORE', workers, worker) or '0')
    return leases[worker]
  end
  local entries = redis.call('HGETALL', key)
  for i = 1, #entries, 2 do
    local expiry, size, worker = string.match(entries[i + 1], '^(%d+):(%d+):?(.*)$')
    local lease = worker ~= '' and leaseOf(worker) or tonumber(expiry)
    if entries[i] == id then
      -- It comes again: another worker has taken it up.
    elseif math.min(tonumber(expiry), lease) <= now then
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
 * KEYS standing, sent, underWay, recipients, workers
 * ARGV[1] message   ARGV[2] its recipients   ARGV[3] messages a window (0 = no limit)   ARGV[4] recipients a day (0 = no
 * limit)   ARGV[5] window (ms)   ARGV[6] how long it may be under way (ms)   ARGV[7] the worker that has it
 * Returns {'admitted', 0} or {reason, wait in ms}; the reasons are paused, held, throttled, recovering, rate, day.
 */
const ADMIT = `
${NOW}
${RECIPIENTS_TAKEN}
${MESSAGES_UNDER_WAY}
local standing, sent, underWay, recipients = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local id, size, perWindow, perDay, windowMs = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5])
local known = redis.call('HMGET', standing, 'state', 'untilMs', 'cap', 'pausedMs')
if known[4] then return {'paused', 60000} end
local untilMs = tonumber(known[2] or '0')
if known[1] and untilMs > now then return {known[1], untilMs - now} end
local count, sizes = messagesUnderWay(underWay, sent, KEYS[5], id, now, windowMs)
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
 * KEYS standing, sent, underWay, recipients
 * ARGV[1] message   ARGV[2] recipients that Exchange took, or may have taken ('' = it took nothing)   ARGV[3] window (ms)
 * ARGV[4] 1 when the result shows that Exchange works with this mailbox   ARGV[5] connections of the mailbox, 0 = no limit
 * ARGV[6] how long a message may be under way (ms), as it was admitted
 * Returns 1 when this has opened the mailbox again.
 */
export const SETTLE = `
${NOW}
${RECIPIENTS_TAKEN}
local standing, sent, underWay, recipients = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local expiry = string.match(redis.call('HGET', underWay, ARGV[1]) or '', '^%d+')
redis.call('HDEL', underWay, ARGV[1])
if ARGV[2] ~= '' then
  if expiry then
    local took = now + tonumber(ARGV[6]) - tonumber(expiry)
    local pace = tonumber(redis.call('HGET', standing, 'paceMs') or took)
    redis.call('HSET', standing, 'paceMs', string.format('%.1f', pace + (took - pace) / 10))
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
local known = redis.call('HMGET', standing, 'state', 'untilMs', 'cap')
-- A message that was under way when the mailbox was held says nothing of what came after.
if not known[1] or tonumber(known[2]) > now then return 0 end
local cap = 2 * tonumber(known[3] or '1')
local full = math.max(1, tonumber(ARGV[5]))
if known[1] == 'throttled' and cap <= full then
  redis.call('HSET', standing, 'cap', cap)
  return 0
end
redis.call('HDEL', standing, 'state', 'untilMs', 'sinceMs', 'cap', 'reason')
return 1
`;

/**
 * A mailbox that then works for as long as it had to wait, and at least for so long, has got over it: the next fault is
 * the first again. Longer, and passing faults that have nothing to do with each other would add up to waits of minutes.
 */
const CALM_MS_MIN = 60_000;
/** A mailbox that had too many connections gets one back after each such time. */
const SEAT_BACK_MS = 5 * 60_000;

/**
 * Holds a mailbox or slows it down after a fault of its own, for longer each time it comes again.
 *
 * KEYS standing, sent, underWay, recipients
 * ARGV[1] held | throttled   ARGV[2] first wait (ms)   ARGV[3] longest wait (ms)   ARGV[4] wait that the reply asks for (ms,
 * 0 = none)   ARGV[5] jitter, 0 to 1   ARGV[6] reason (JSON)   ARGV[7] message (it is no longer under way)
 * ARGV[8] connections that were too many, 0 = that was not the fault
 * ARGV[9] after so many times in a row a throttled mailbox is held, 0 = never
 * Returns {1 when the state is new, until (ms), state, how long that is from now (ms): a worker's clock may be wrong}.
 */
const RESTRAIN = `
${NOW}
local standing = KEYS[1]
if ARGV[7] ~= '' then redis.call('HDEL', KEYS[3], ARGV[7]) end
local known = redis.call('HMGET', standing, 'state', 'untilMs', 'strikes', 'calmAtMs', 'seatCap', 'seatCapAtMs')
local strikes = 0
if tonumber(known[4] or '0') > now then strikes = tonumber(known[3] or '0') end
local state, heldAfter = ARGV[1], tonumber(ARGV[9])
if heldAfter > 0 and strikes >= heldAfter then state = 'held' end
local isNew = known[1] ~= state
if ARGV[8] ~= '0' then
  local back = math.floor((now - tonumber(known[6] or '0')) / ${SEAT_BACK_MS})
  local seats = math.min(tonumber(ARGV[8]), tonumber(known[5] or ARGV[8]) + back)
  redis.call('HSET', standing, 'seatCap', math.max(1, seats - 1), 'seatCapAtMs', now)
end
-- Others that were under way meet the same fault at the same time: it counts once.
if not isNew and tonumber(known[2]) > now then return {0, tonumber(known[2]), state, tonumber(known[2]) - now} end
local wait = math.min(tonumber(ARGV[3]), tonumber(ARGV[2]) * 2 ^ math.min(strikes, 30))
wait = math.floor(math.max(wait, tonumber(ARGV[4])) * (1 + 0.2 * tonumber(ARGV[5])))
redis.call('HSET', standing, 'state', state, 'untilMs', now + wait, 'strikes', strikes + 1,
  'calmAtMs', now + wait + math.max(wait, ${CALM_MS_MIN}), 'cap', 1, 'reason', ARGV[6])
if isNew then redis.call('HSET', standing, 'sinceMs', now) end
return {isNew and 1 or 0, now + wait, state, wait}
`;

/**
 * Reads who has a mailbox's seats, and lets go of those whose lease is over. A seat is a lease: `count:expiry` by worker,
 * and by `visitor:NAME` for one connection that is no worker's; a visitor that still waits for it has a count of 0.
 * Returns the mailbox's limit, what others than `self` have, and how many visitors there are beside it.
 */
const SEATS = `
local function readSeats(seats, standing, limit, self, now)
  local cap = redis.call('HMGET', standing, 'seatCap', 'seatCapAtMs')
  if cap[1] then limit = math.min(limit, cap[1] + math.floor((now - cap[2]) / ${SEAT_BACK_MS})) end
  local taken, visitors = 0, 0
  local entries = redis.call('HGETALL', seats)
  for i = 1, #entries, 2 do
    local count, expiry = string.match(entries[i + 1], '^(%d+):(%d+)$')
    if tonumber(expiry) <= now then
      redis.call('HDEL', seats, entries[i])
    elseif entries[i] ~= self then
      taken = taken + tonumber(count)
      if string.sub(entries[i], 1, 8) == 'visitor:' then visitors = visitors + 1 end
    end
  end
  return limit, taken, visitors
end
`;

/**
 * Gives connections to one worker, a fair share for each mailbox of what visitors leave.
 *
 * KEYS[1] workers (sorted set: worker -> expiry), then for each mailbox: its seats (hash), its standing
 * ARGV[1] worker   ARGV[2] lease (ms)   then for each mailbox: its limit, the connections this worker can't give up yet,
 * a number that spreads the mailboxes over the workers
 * Returns how many connections the worker may have to each mailbox; what it has beyond that it must close.
 */
const CLAIM = `
${NOW}
${SEATS}
local worker, lease = ARGV[1], tonumber(ARGV[2])
redis.call('ZADD', KEYS[1], now + lease, worker)
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now)
redis.call('PEXPIRE', KEYS[1], lease)
local workers = redis.call('ZRANGE', KEYS[1], 0, -1)
table.sort(workers)
local place = 0
for i, name in ipairs(workers) do
  if name == worker then place = i - 1 end
end
local granted = {}
for i = 2, #KEYS, 2 do
  local seats, arg = KEYS[i], 3 + (i - 2) / 2 * 3
  local using, salt = tonumber(ARGV[arg + 1]), tonumber(ARGV[arg + 2])
  local limit, taken, visitors = readSeats(seats, KEYS[i + 1], tonumber(ARGV[arg]), worker, now)
  local shared = math.max(0, limit - visitors)
  local share = math.floor(shared / #workers)
  if (place + salt) % #workers < shared % #workers then share = share + 1 end
  local target = math.max(math.min(share, limit - taken), 0)
  -- What the worker still has open stays its own until it is closed, or another would open one too many.
  local mine = math.max(using, target)
  if mine == 0 then
    redis.call('HDEL', seats, worker)
  else
    redis.call('HSET', seats, worker, string.format('%d:%.0f', mine, now + lease))
    redis.call('PEXPIRE', seats, lease)
  end
  granted[#granted + 1] = target
end
return granted
`;

/**
 * Asks for one connection of a mailbox, or keeps it. Until there is one, the workers see that somebody waits.
 *
 * KEYS[1] its seats   KEYS[2] its standing
 * ARGV[1] visitor   ARGV[2] lease (ms)   ARGV[3] the mailbox's limit
 * Returns 1 when the visitor has the connection.
 */
const VISIT = `
${NOW}
${SEATS}
local visitor = 'visitor:' .. ARGV[1]
local limit, taken = readSeats(KEYS[1], KEYS[2], tonumber(ARGV[3]), visitor, now)
local had = string.sub(redis.call('HGET', KEYS[1], visitor) or '', 1, 2) == '1:'
local has = had or taken < limit
redis.call('HSET', KEYS[1], visitor, string.format('%d:%.0f', has and 1 or 0, now + ARGV[2]))
redis.call('PEXPIRE', KEYS[1], ARGV[2])
return has and 1 or 0
`;

/** The scripts as methods; ioredis runs them by digest and loads them again when Redis has forgotten them. */
export interface GovernorScripts {
  admit(keys: readonly string[], ...args: (string | number)[]): Promise<[string, number]>;
  settle(keys: readonly string[], ...args: (string | number)[]): Promise<number>;
  restrain(
    keys: readonly string[],
    ...args: (string | number)[]
  ): Promise<[number, number, 'held' | 'throttled', number]>;
  claim(keys: readonly string[], ...args: (string | number)[]): Promise<number[]>;
  visit(keys: readonly string[], ...args: (string | number)[]): Promise<number>;
}

export function defineGovernorScripts(redis: RedisClient): GovernorScripts {
  const scripts = { admit: ADMIT, settle: SETTLE, restrain: RESTRAIN, claim: CLAIM, visit: VISIT };
  for (const [name, lua] of Object.entries(scripts)) redis.defineCommand(`relay365_${name}`, { lua });
  const commands = redis as unknown as Record<string, (...args: (string | number)[]) => Promise<unknown>>;
  const run =
    (name: string) =>
    (keys: readonly string[], ...args: (string | number)[]) =>
      commands[`relay365_${name}`]?.(keys.length, ...keys, ...args);
  return {
    admit: run('admit'),
    settle: run('settle'),
    restrain: run('restrain'),
    claim: run('claim'),
    visit: run('visit'),
  } as GovernorScripts;
}
