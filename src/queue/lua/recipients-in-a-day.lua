local DAY_MINUTES = 1440

-- The recipients that Exchange accepted from a mailbox in the last 24 h, and the first minute that counts.
local function recipientsInADay(key, minute)
  local known = redis.call('HMGET', key, 'total', 'oldest')
  local total, oldest = tonumber(known[1] or '0'), tonumber(known[2] or minute)
  local first = minute - DAY_MINUTES
  if oldest < first - DAY_MINUTES then return 0, minute end
  while oldest < first do
    total = total - tonumber(redis.call('HGET', key, oldest) or '0')
    oldest = oldest + 1
  end
  return total, oldest
end
