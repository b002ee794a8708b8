--- @include "redis-time"
--- @include "advance-lease-clock"
--- @include "read-leases"

-- Asks for a guest's one connection to a mailbox, or keeps it. Until there is one, the workers see that a guest waits.
--
-- KEYS
--   leaseClock
--   leases
--   mailboxStatus
-- ARGV
--   guest
--   leaseMs
--   limit      of the mailbox's connections
-- Returns 1 when the guest has the connection.
local now = redisTime()
local clock = advanceLeaseClock(leaseClock, now)
local name = 'visitor:' .. guest
local connections, taken = readLeases({leases = leases, status = mailboxStatus, limit = limit}, name, now, clock)
local had = string.sub(redis.call('HGET', leases, name) or '', 1, 2) == '1:'
local has = had or taken < connections
redis.call('HSET', leases, name, string.format('%d:%.0f', has and 1 or 0, clock + leaseMs))
redis.call('PEXPIRE', leases, LEASES_KEPT_MS)
return has and 1 or 0
