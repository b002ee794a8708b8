--- @include "redis-time"
--- @include "advance-lease-clock"
--- @include "read-leases"

-- Gives connections to one worker: for each mailbox a fair share of what guests leave.
--
-- KEYS
--   leaseClock
--   workers           sorted set: worker -> end of its lease
--   mailboxKeys[]
--     leases
--     openConnections
--     status
-- ARGV
--   worker
--   leaseMs
--   mailboxes[]
--     limit     of connections
--     using     connections that this worker has open
--     salt      a number that spreads the mailboxes over the workers
-- Returns how many connections the worker may have to each mailbox; it must close what it has beyond that.
local now = redisTime()
local clock = advanceLeaseClock(leaseClock, now)
local expiry = clock + leaseMs

redis.call('ZADD', workers, expiry, worker)
redis.call('ZREMRANGEBYSCORE', workers, '-inf', clock)
redis.call('PEXPIRE', workers, LEASES_KEPT_MS)
local names = redis.call('ZRANGE', workers, 0, -1)
table.sort(names)
local position = 0
for i, name in ipairs(names) do
  if name == worker then position = i - 1 end
end

local granted = {}
for i, mailbox in ipairs(mailboxes) do
  local keys = mailboxKeys[i]
  local limit, taken, guests = readLeases(
    {leases = keys.leases, status = keys.status, limit = mailbox.limit}, worker, now, clock)
  local shared = math.max(0, limit - guests)
  local share = math.floor(shared / #names)
  if (position + mailbox.salt) % #names < shared % #names then share = share + 1 end
  local target = math.max(math.min(share, limit - taken), 0)
  -- The worker keeps what it still has open until that is closed: another worker would open one too many.
  local mine = math.max(tonumber(mailbox.using), target)
  if mine == 0 then
    redis.call('HDEL', keys.leases, worker)
    redis.call('HDEL', keys.openConnections, worker)
  else
    redis.call('HSET', keys.leases, worker, string.format('%d:%.0f', mine, expiry))
    redis.call('PEXPIRE', keys.leases, LEASES_KEPT_MS)
    redis.call('HSET', keys.openConnections, worker, mailbox.using)
    redis.call('PEXPIRE', keys.openConnections, LEASES_KEPT_MS)
  end
  granted[i] = target
end
return granted
