--- @include "needs-job"
--- @include "has-job"
--- @include "enqueue-job"

-- Writes a message's job again, unless it is sound and in its place. A worker that has the job keeps it: only what the
-- job says is repaired, and it comes back when its lock has ended.
--
-- KEYS
--   record
-- ARGV
--   prefix
--   id
--   queue       its name
--   jobId
--   nowMs
--   priority
--   delayMs
--   jobData     JSON
-- Returns 1, or 0 when there is nothing to repair.
if not needsJob(record) or hasJob(prefix, id) then return 0 end
local queueKey = prefix .. ':' .. queue
local key = queueKey .. ':' .. jobId
local job = {id = jobId, priority = tonumber(priority), delayMs = tonumber(delayMs), data = jobData}
redis.call('HSET', record, 'queue', queue, 'ticket', jobId)
redis.call('DEL', key)
if isPlaced(queueKey, jobId) then
  writeJob(key, tonumber(nowMs), job)
else
  redis.call('DEL', key .. ':lock')
  enqueueJob(queueKey, tonumber(nowMs), job)
end
return 1
