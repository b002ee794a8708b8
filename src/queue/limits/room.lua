--- @include "redis-time"
--- @include "sent-in-window"

-- Reads whether mailboxes may send now, and how much of their limit of messages they have used.
--
-- KEYS
--   mailboxes[]
--     status
--     sent
--     underWay
-- ARGV
-- Returns of each {messages in its window and in progress, 1 when it is neither held nor paused, 1 when it is paused, or
-- held or throttled for some more time}.
local now = redisTime()
local rooms = {}
for i, mailbox in ipairs(mailboxes) do
  local known = redis.call('HMGET', mailbox.status, 'state', 'untilMs', 'pausedMs')
  local state, untilMs, pausedMs = known[1], tonumber(known[2] or '0'), known[3]
  local works = state ~= 'held' and not pausedMs
  local isBlocked = pausedMs or (state and untilMs > now)
  rooms[i] = {sentInWindow(mailbox.sent, now) + redis.call('HLEN', mailbox.underWay), works and 1 or 0,
    isBlocked and 1 or 0}
end
return rooms
