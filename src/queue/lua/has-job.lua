--- @include "is-placed"
--- @include "is-sound"

-- The message that a job is for.
local function messageOf(jobId)
  return string.match(jobId, '^[^~]*')
end

-- Whether a message has a job that BullMQ can bring to a worker.
local function hasJob(prefix, id)
  local known = redis.call('HMGET', prefix .. ':record:' .. id, 'queue', 'ticket')
  local queue, jobId = prefix .. ':' .. (known[1] or ''), known[2] or id
  return messageOf(jobId) == id and isPlaced(queue, jobId) and isSound(queue .. ':' .. jobId)
end
