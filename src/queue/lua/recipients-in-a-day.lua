local DAY_MINUTES = 1440

-- Removes the minutes that are more than 24 h old from a mailbox's count of recipients.
-- Returns the recipients of the last 24 h, and the first minute that counts.
local function recipientsInADay(key, minute)
  local total = tonumber(redis.call('HGET', key, 'total') or '0')
  local oldest = tonumber(redis.call('HGET', key, 'oldest') or minute)
  local first = minute - DAY_MINUTES
  if oldest < first - DAY_MINUTES then
    redis.call('DEL', key)
    return 0, minute
  end
  while oldest < first do
    local count = redis.call('HGET', key, oldest)
    if count then
      total = total - tonumber(count)
      redis.call('HDEL', key, oldest)
    end
    oldest = oldest + 1
  end
  redis.call('HSET', key, 'oldest', oldest, 'total', total)
  return total, oldest
end
