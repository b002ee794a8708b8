--- @include "redis-time"
--- @include "read-lease-clock"
--- @include "parse-lease"
--- @include "sent-in-window"
--- @include "recipients-in-a-day"

-- Reads a mailbox's status, and what it uses of its limits. Changes nothing.
--
-- KEYS
--   mailboxStatus
--   sent
--   underWay
--   recipientCounts
--   leases
--   openConnections
--   leaseClock
-- Returns {open connections, reserved ones, messages in the window, recipients in 24 h, messages in progress, the fields of
-- mailboxStatus, flat}.
local now = redisTime()
-- Unlike for the workers it runs on without a heartbeat: when no worker is left, no connection is.
local clock = readLeaseClock(leaseClock, now, math.huge)

local open, reserved = 0, 0
local entries = redis.call('HGETALL', leases)
for i = 1, #entries, 2 do
  local count, expiry = parseLease(entries[i + 1])
  if expiry > clock then
    -- A guest has its connection open; so may a worker of a version that does not report it.
    local using = tonumber(redis.call('HGET', openConnections, entries[i]) or count)
    open = open + using
    reserved = reserved + math.max(0, count - using)
  end
end
local recipients = recipientsInADay(recipientCounts, math.floor(now / 60000))
return {open, reserved, sentInWindow(sent, now), recipients, redis.call('HLEN', underWay),
  redis.call('HGETALL', mailboxStatus)}
