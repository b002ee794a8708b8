--- @include "add-attempt"

-- Adds the attempt that a worker left open to the record, and removes the mark of its final dot.
--
-- KEYS
--   record
-- ARGV
--   attempt    JSON
-- Returns the attempt's number.
local number = addAttempt(record, attempt)
redis.call('HDEL', record, 'finalDotAt')
return number
