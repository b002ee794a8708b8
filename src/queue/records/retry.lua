--- @include "redis-time"
--- @include "move-to"
--- @include "count-unfinished"
--- @include "enqueue-job"

-- Queues a message again that failed, expired or waits for a person.
--
-- KEYS
--   record
--   body
-- ARGV
--   prefix
--   id
--   message        JSON
--   recipients     JSON
--   expiresAtMs    the end of its new time
--   queue
--   jobId
--   priority
--   jobData        JSON
-- Returns the time of the retry (ms), 0 when it has another status, -1 when its content is gone.
local status = redis.call('HGET', record, 'status')
if status ~= 'failed' and status ~= 'expired' and status ~= 'held' then return 0 end
if redis.call('EXISTS', body) == 0 then return -1 end
if status ~= 'held' then countUnfinished(prefix, record, 1) end
local now = redisTime()
moveTo(prefix, record, id, 'queued')
redis.call('HSET', record, 'message', message, 'recipients', recipients, 'retriedAt', now, 'ticket', jobId)
redis.call('HDEL', record, 'finishedAt', 'nextAttemptAt')
redis.call('PERSIST', record)
redis.call('PERSIST', body)
redis.call('ZREM', prefix .. ':finished', id)
redis.call('ZADD', prefix .. ':deadlines', expiresAtMs, id)
enqueueJob(prefix .. ':' .. queue, now,
  {id = jobId, priority = tonumber(priority), delayMs = 0, data = jobData})
return now
