/**
 * The Lua side of the seats: who may have how many connections to a mailbox, told by Redis's own clock. Each script is
 * one atomic step.
 */
import { defineLua, type LuaScript, NOW } from '../redis/lua.ts';
import type { RedisClient } from '../redis/client.ts';

/** A mailbox that had too many connections gets one back after each such time. */
export const CONNECTION_BACK_MS = 5 * 60_000;

/** A worker asks for its seats so often. */
export const HEARTBEAT_MS = 2_000;
/** Whoever has not been there for so long, by any clock, has no connection any more. */
const GONE_MS = 3_600_000;

/**
 * The clock that leases go by (ms). It goes on from one beat of any worker to the next, but by no more than two beats:
 * when none came for longer, Redis was away, and nobody could renew a lease. The first worker to come back would find
 * the others' leases over, and take seats whose connections are still open.
 */
export const LEASE_CLOCK = `
local function leaseClock(key, now)
  local known = redis.call('HMGET', key, 'shows', 'atMs')
  local shows, at = tonumber(known[1] or ''), tonumber(known[2] or '')
  if not shows or not at then return now end
  return shows + math.max(0, math.min(now - at, ${2 * HEARTBEAT_MS}))
end
local function moveLeaseClock(key, now)
  local clock = leaseClock(key, now)
  redis.call('HSET', key, 'shows', string.format('%.0f', clock), 'atMs', string.format('%.0f', now))
  redis.call('PEXPIRE', key, ${GONE_MS})
  return clock
end
`;

/**
 * Reads who has a mailbox's seats, and lets go of those whose lease is over. A seat is a lease: `count:expiry` by worker,
 * and by `visitor:NAME` for one connection that is no worker's; a visitor that still waits for it has a count of 0.
 * Returns the mailbox's limit, what others than `self` have, and how many visitors there are beside it.
 */
const SEATS = `
local function readSeats(seats, mailboxStatus, limit, self, now, clock)
  local cap = redis.call('HMGET', mailboxStatus, 'seatCap', 'seatCapAtMs')
  if cap[1] then limit = math.min(limit, cap[1] + math.floor((now - cap[2]) / ${CONNECTION_BACK_MS})) end
  local taken, visitors = 0, 0
  local entries = redis.call('HGETALL', seats)
  for i = 1, #entries, 2 do
    local count, expiry = string.match(entries[i + 1], '^(%d+):(%d+)$')
    -- What can't be read is nobody's.
    if (tonumber(expiry or '') or 0) <= clock then
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
 * KEYS[1] lease clock   KEYS[2] workers (sorted set: worker -> expiry), then for each mailbox: its seats (hash), its mailboxStatus
 * ARGV[1] worker   ARGV[2] lease (ms)   then for each mailbox: its limit, the connections this worker can't give up yet,
 * a number that spreads the mailboxes over the workers
 * Returns how many connections the worker may have to each mailbox; what it has beyond that it must close.
 */
const CLAIM = `
${NOW}
${LEASE_CLOCK}
${SEATS}
local clock = moveLeaseClock(KEYS[1], now)
local worker, lease = ARGV[1], tonumber(ARGV[2])
redis.call('ZADD', KEYS[2], clock + lease, worker)
redis.call('ZREMRANGEBYSCORE', KEYS[2], '-inf', clock)
redis.call('PEXPIRE', KEYS[2], ${GONE_MS})
local workers = redis.call('ZRANGE', KEYS[2], 0, -1)
table.sort(workers)
local place = 0
for i, name in ipairs(workers) do
  if name == worker then place = i - 1 end
end
local granted = {}
for i = 3, #KEYS, 2 do
  local seats, arg = KEYS[i], 3 + (i - 3) / 2 * 3
  local using, salt = tonumber(ARGV[arg + 1]), tonumber(ARGV[arg + 2])
  local limit, taken, visitors = readSeats(seats, KEYS[i + 1], tonumber(ARGV[arg]), worker, now, clock)
  local shared = math.max(0, limit - visitors)
  local share = math.floor(shared / #workers)
  if (place + salt) % #workers < shared % #workers then share = share + 1 end
  local target = math.max(math.min(share, limit - taken), 0)
  -- What the worker still has open stays its own until it is closed, or another would open one too many.
  local mine = math.max(using, target)
  if mine == 0 then
    redis.call('HDEL', seats, worker)
  else
    redis.call('HSET', seats, worker, string.format('%d:%.0f', mine, clock + lease))
    redis.call('PEXPIRE', seats, ${GONE_MS})
  end
  granted[#granted + 1] = target
end
return granted
`;

/**
 * Asks for one connection of a mailbox, or keeps it. Until there is one, the workers see that somebody waits.
 *
 * KEYS[1] lease clock   KEYS[2] its seats   KEYS[3] its mailboxStatus
 * ARGV[1] visitor   ARGV[2] lease (ms)   ARGV[3] the mailbox's limit
 * Returns 1 when the visitor has the connection.
 */
const VISIT = `
${NOW}
${LEASE_CLOCK}
${SEATS}
local clock = moveLeaseClock(KEYS[1], now)
local visitor = 'visitor:' .. ARGV[1]
local limit, taken = readSeats(KEYS[2], KEYS[3], tonumber(ARGV[3]), visitor, now, clock)
local had = string.sub(redis.call('HGET', KEYS[2], visitor) or '', 1, 2) == '1:'
local has = had or taken < limit
redis.call('HSET', KEYS[2], visitor, string.format('%d:%.0f', has and 1 or 0, clock + ARGV[2]))
redis.call('PEXPIRE', KEYS[2], ${GONE_MS})
return has and 1 or 0
`;

/** Each takes its keys and its arguments, as they are listed with it. */
export interface LeaseScripts {
  readonly claim: LuaScript<number[]>;
  readonly visit: LuaScript<number>;
}

export function defineLeaseScripts(redis: RedisClient): LeaseScripts {
  return defineLua<LeaseScripts>(redis, { claim: CLAIM, visit: VISIT });
}
