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
--   leaseClock
-- Returns {connections, messages in the window, recipients in 24 h, messages under way, the fields of mailboxStatus, flat}.
local now = redisTime()
-- Unlike for the workers it runs on without a heartbeat: when no worker is left, no connection is.
local clock = readLeaseClock(leaseClock, now, math.huge)

local connections = 0
for _, lease in ipairs(redis.call('HVALS', leases)) do
  local count, expiry = parseLease(lease)
  if expiry > clock then connections = connections + count end
end
local recipients = recipientsInADay(recipientCounts, math.floor(now / 60000))
return {connections, sentInWindow(sent, now), recipients, redis.call('HLEN', underWay),
  redis.call('HGETALL', mailboxStatus)}
