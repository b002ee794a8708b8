--- @include "redis-time"
--- @include "messages-under-way"
--- @include "prune-recipients"

local PAUSED_WAIT_MS = 60000
local RECOVERING_WAIT_MS = 250
local DAY_WAIT_MS_MIN = 1000

-- How long the limit of messages in a window makes a message wait; nil = it does not.
local function rateWait(sent, perWindow, messages, now)
  if perWindow == 0 then return nil end
  redis.call('ZREMRANGEBYSCORE', sent, '-inf', now)
  if redis.call('ZCARD', sent) + messages < perWindow then return nil end
  local first = redis.call('ZRANGE', sent, 0, 0, 'WITHSCORES')
  return first[2] and math.max(1, tonumber(first[2]) - now) or 100
end

-- How long the limit of recipients in 24 h makes so many more recipients wait; nil = they need not.
local function dayWait(recipientCounts, perDay, recipients, now)
  if perDay == 0 then return nil end
  local minute = math.floor(now / 60000)
  local total, oldest = pruneRecipients(recipientCounts, minute)
  local excess = total + recipients - perDay
  if excess <= 0 then return nil end
  local freed = 0
  while freed < excess and oldest <= minute do
    freed = freed + tonumber(redis.call('HGET', recipientCounts, oldest) or '0')
    oldest = oldest + 1
  end
  return math.max(DAY_WAIT_MS_MIN, (oldest + DAY_MINUTES) * 60000 - now)
end

-- Admits a message to an attempt, or says how long it must wait and why.
-- keys: mailboxStatus, sent, underWay, recipientCounts, workers, leaseClock
-- message: id, recipients (their number), worker (that has it)
-- limits: perWindow (messages, 0 = no limit), perDay (recipients, 0 = no limit), windowMs, underWayMsMax
-- Returns {'admitted', 0} or {reason, wait in ms}; a reason is paused, held, throttled, recovering, rate or day.
local function admit(keys, message, limits)
  local now = redisTime()
  local known = redis.call('HMGET', keys.mailboxStatus, 'state', 'untilMs', 'cap', 'pausedMs')
  local state, untilMs, cap, pausedMs = known[1], tonumber(known[2] or '0'), tonumber(known[3] or '1'), known[4]
  if pausedMs then return {'paused', PAUSED_WAIT_MS} end
  if state and untilMs > now then return {state, untilMs - now} end
  local messages, recipients = messagesUnderWay(keys, message.id, limits.windowMs, now)
  if state and messages >= cap then return {'recovering', RECOVERING_WAIT_MS} end
  local wait = rateWait(keys.sent, tonumber(limits.perWindow), messages, now)
  if wait then return {'rate', wait} end
  wait = dayWait(keys.recipientCounts, tonumber(limits.perDay), recipients + message.recipients, now)
  if wait then return {'day', wait} end
  redis.call('HSET', keys.underWay, message.id,
    string.format('%.0f:%d:%s', now + limits.underWayMsMax, message.recipients, message.worker))
  return {'admitted', 0}
end
