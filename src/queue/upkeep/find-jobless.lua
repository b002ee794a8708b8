--- @include "needs-job"
--- @include "has-job"

-- Looks at the jobs of some messages, and at all jobs that workers have. Removes corrupt jobs whose message needs none:
-- they would come back to workers for ever.
--
-- KEYS
--   queues
-- ARGV
--   prefix
--   ids[]
-- Returns the messages that need another job.
local found, seen = {}, {}

local function inspect(id)
  if seen[id] then return end
  seen[id] = true
  if needsJob(prefix .. ':record:' .. id) and not hasJob(prefix, id) then found[#found + 1] = id end
end

for _, id in ipairs(ids) do inspect(id) end
for _, name in ipairs(redis.call('SMEMBERS', queues)) do
  local queue = prefix .. ':' .. name
  for _, jobId in ipairs(redis.call('LRANGE', queue .. ACTIVE, 0, -1)) do
    local id, job = messageOf(jobId), queue .. ':' .. jobId
    if needsJob(prefix .. ':record:' .. id) then
      inspect(id)
    elseif not isSound(job) then
      redis.call('LREM', queue .. ACTIVE, 0, jobId)
      redis.call('DEL', job, job .. ':lock')
    end
  end
end
return found
