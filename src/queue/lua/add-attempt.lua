-- Adds an attempt (JSON) to a record; returns its number.
local function addAttempt(record, attempt)
  local number = redis.call('HINCRBY', record, 'attempts', 1)
  redis.call('HSET', record, 'attempt:' .. number, attempt)
  return number
end
