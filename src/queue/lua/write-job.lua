-- Writes what a job says, but not where it waits. JOB_OPTIONS is what all jobs have in common, without its first brace.
-- job: priority, delayMs, data (JSON)
local function writeJob(key, now, job)
  local options = '{"delay":' .. job.delayMs .. ',"priority":' .. job.priority .. ',' .. JOB_OPTIONS
  redis.call('HSET', key, 'name', JOB_NAME, 'data', job.data, 'opts', options, 'timestamp', now, 'delay', job.delayMs,
    'priority', job.priority)
end
