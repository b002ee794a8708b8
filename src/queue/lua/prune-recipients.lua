--- @include "recipients-in-a-day"

-- Removes the minutes that are more than 24 h old from a mailbox's count of recipients; returns what is left, as
-- `recipientsInADay` does.
local function pruneRecipients(key, minute)
  local known = tonumber(redis.call('HGET', key, 'oldest') or minute)
  local total, oldest = recipientsInADay(key, minute)
  if known < minute - 2 * DAY_MINUTES then
    redis.call('DEL', key)
    return total, oldest
  end
  for old = known, oldest - 1 do redis.call('HDEL', key, old) end
  redis.call('HSET', key, 'oldest', oldest, 'total', total)
  return total, oldest
end
