--- @include "redis-time"
--- @include "prune-recipients"

-- Notes what Exchange took, or may have taken, of a message in the mailbox's limits and in its pace.
local function countTaken(keys, id, result, now)
  local expiry = string.match(redis.call('HGET', keys.underWay, id) or '', '^%d+')
  redis.call('HDEL', keys.underWay, id)
  if result.took == '' then return end
  if expiry then
    local tookMs = now + result.underWayMsMax - expiry
    local paceMs = tonumber(redis.call('HGET', keys.mailboxStatus, 'paceMs') or tookMs)
    redis.call('HSET', keys.mailboxStatus, 'paceMs', string.format('%.1f', paceMs + (tookMs - paceMs) / 10))
  end
  redis.call('ZADD', keys.sent, now + result.windowMs, id .. ':' .. now)
  redis.call('PEXPIRE', keys.sent, result.windowMs)
  local minute = math.floor(now / 60000)
  pruneRecipients(keys.recipientCounts, minute)
  redis.call('HINCRBY', keys.recipientCounts, 'total', result.took)
  redis.call('HINCRBY', keys.recipientCounts, minute, result.took)
  redis.call('PEXPIRE', keys.recipientCounts, 2 * DAY_MINUTES * 60000)
end

-- Takes a message's result into account.
-- keys: mailboxStatus, sent, underWay, recipientCounts
-- result: took (recipients that Exchange took or may have taken, '' = none), windowMs, works ('1' when it shows that
-- Exchange works with this mailbox), connections (of the mailbox, 0 = no limit), underWayMsMax (as it was admitted)
-- Returns 1 when this opened the mailbox again.
local function settle(keys, id, result)
  local now = redisTime()
  countTaken(keys, id, result, now)
  if result.works ~= '1' then return 0 end
  local known = redis.call('HMGET', keys.mailboxStatus, 'state', 'untilMs', 'cap')
  -- A message that was in progress when the mailbox was held says nothing about the time after.
  if not known[1] or tonumber(known[2]) > now then return 0 end
  local cap = 2 * tonumber(known[3] or '1')
  local full = math.max(1, tonumber(result.connections))
  if known[1] == 'throttled' and cap <= full then
    redis.call('HSET', keys.mailboxStatus, 'cap', cap)
    return 0
  end
  redis.call('HDEL', keys.mailboxStatus, 'state', 'untilMs', 'sinceMs', 'cap', 'reason')
  return 1
end
