--- @include "enqueue-job"

-- Enqueues jobs as other scripts do.
--
-- KEYS
--   queue
-- ARGV
--   nowMs
--   jobs[]
--     id
--     priority
--     delayMs
--     data
for _, job in ipairs(jobs) do
  enqueueJob(queue, tonumber(nowMs),
    {id = job.id, priority = tonumber(job.priority), delayMs = tonumber(job.delayMs), data = job.data})
end
