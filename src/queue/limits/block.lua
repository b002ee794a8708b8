--- @include "redis-time"

-- Holds a mailbox or throttles it after a fault of its own, for longer each time the fault comes again.
--
-- KEYS
--   mailboxStatus
--   underWay
-- ARGV
--   state            held or throttled
--   firstWaitMs
--   longestWaitMs
--   askedWaitMs      that the reply asks for, 0 = none
--   jitter           0 to 1
--   reason           JSON
--   id               the message, which is no longer in progress; '' = none
--   tooMany          connections that were too many, 0 = that was not the fault
--   heldAfter        after so many times in a row a throttled mailbox is held, 0 = never
-- Returns {1 when the state is new, until (ms), state, how long that is from now (ms): a worker's clock may be wrong}.

-- A mailbox that then works for as long as it had to wait, and at least this long, has recovered: the next fault is the
-- first again. With a longer time, passing faults that have nothing to do with each other would add up to waits of
-- minutes. For the same reason each kind of fault, known by its state and its first wait, has a count of its own.
local CALM_MS_MIN = 60000

local now = redisTime()
local kind = state .. ':' .. firstWaitMs
local known = redis.call('HMGET', mailboxStatus, 'state', 'untilMs', 'strikes:' .. kind, 'calmAtMs:' .. kind)
local wasUntilMs = tonumber(known[2] or '0')

-- One connection fewer than were too many; `readLeases` gives them back in time.
local function lowerConnectionCap()
  local cap = redis.call('HMGET', mailboxStatus, 'seatCap', 'seatCapAtMs')
  local back = math.floor((now - tonumber(cap[2] or '0')) / CONNECTION_BACK_MS)
  local connections = math.min(tonumber(tooMany), tonumber(cap[1] or tooMany) + back)
  redis.call('HSET', mailboxStatus, 'seatCap', math.max(1, connections - 1), 'seatCapAtMs', now)
end

if id ~= '' then redis.call('HDEL', underWay, id) end
local strikes = 0
if tonumber(known[4] or '0') > now then strikes = tonumber(known[3] or '0') end
local newState = state
if tonumber(heldAfter) > 0 and strikes >= tonumber(heldAfter) then newState = 'held' end
local isNew = known[1] ~= newState
if tooMany ~= '0' then lowerConnectionCap() end
-- Other messages in progress meet the same fault at the same time: it counts once.
if not isNew and wasUntilMs > now then return {0, wasUntilMs, newState, wasUntilMs - now} end
local wait = math.min(tonumber(longestWaitMs), tonumber(firstWaitMs) * 2 ^ math.min(strikes, 30))
wait = math.floor(math.max(wait, tonumber(askedWaitMs)) * (1 + 0.2 * tonumber(jitter)))
redis.call('HSET', mailboxStatus, 'state', newState, 'untilMs', now + wait, 'strikes:' .. kind, strikes + 1,
  'calmAtMs:' .. kind, now + wait + math.max(wait, CALM_MS_MIN), 'cap', 1, 'reason', reason)
if isNew then redis.call('HSET', mailboxStatus, 'sinceMs', now) end
return {isNew and 1 or 0, now + wait, newState, wait}
