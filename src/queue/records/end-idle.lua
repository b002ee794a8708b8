--- @include "add-attempt"
--- @include "finish-message"

-- Ends a message that no worker has.
--
-- KEYS
--   record
--   body
-- ARGV
--   prefix
--   id
--   attempt         JSON, '' = none
--   recipients      JSON
--   status
--   finishedAtMs
--   retentionMs
-- Returns 1, or 0 when a worker has it, it is over, or there is no record.
local IDLE = {scheduled = true, queued = true, deferred = true, held = true}

local before = redis.call('HGET', record, 'status')
if not before then redis.call('ZREM', prefix .. ':deadlines', id) end
if not IDLE[before] then return 0 end
if attempt ~= '' then addAttempt(record, attempt) end
redis.call('HSET', record, 'recipients', recipients)
redis.call('HDEL', record, 'nextAttemptAt')
finishMessage({prefix = prefix, record = record, body = body, id = id}, status, tonumber(finishedAtMs),
  tonumber(retentionMs))
return 1
