/**
 * The Lua side of the seats: who may have how many connections to a mailbox, told by Redis's own clock. Each script is
 * one atomic step.
 */
import { defineLua, type LuaScript, NOW } from './lua.ts';
import type { RedisClient } from './redis.ts';

/** A mailbox that had too many connections gets one back after each such time. */
export const SEAT_BACK_MS = 5 * 60_000;

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

/** Each takes its keys and its arguments, as they are listed with it. */
export interface SeatScripts {
  readonly claim: LuaScript<number[]>;
  readonly visit: LuaScript<number>;
}

export function defineSeatScripts(redis: RedisClient): SeatScripts {
  return defineLua<SeatScripts>(redis, { claim: CLAIM, visit: VISIT });
}
