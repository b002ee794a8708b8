--- @include "write-job"

-- BullMQ keeps a delayed job at its time (ms) x 2^12 + its position among those of the same time.
local DELAY_FACTOR = 4096

-- Writes a job and has it wait in its queue, unless it exists. This is BullMQ's own `addJob` without what costs more
-- than all the rest of an accept (events that nothing reads, parents, duplicates); a test holds the two equal.
-- job: id, priority, delayMs, data (JSON); with a delay it waits for its time
local function enqueueJob(queue, now, job)
  local key = queue .. ':' .. job.id
  if redis.call('EXISTS', key) == 1 then return end
  writeJob(key, now, job)
  if job.delayMs == 0 then
    local position = redis.call('INCR', queue .. ARRIVALS) % PRIORITY_FACTOR
    redis.call('ZADD', queue .. PRIORITIZED, job.priority * PRIORITY_FACTOR + position, job.id)
    redis.call('ZADD', queue .. MARKER, 0, '0')
    return
  end
  local first = (now + job.delayMs) * DELAY_FACTOR
  local last = first + DELAY_FACTOR - 1
  local taken = redis.call('ZREVRANGEBYSCORE', queue .. DELAYED, last, first, 'WITHSCORES', 'LIMIT', 0, 1)
  redis.call('ZADD', queue .. DELAYED, taken[2] and math.min(last, taken[2] + 1) or first, job.id)
  local soonest = redis.call('ZRANGE', queue .. DELAYED, 0, 0, 'WITHSCORES')
  redis.call('ZADD', queue .. MARKER, soonest[2] / DELAY_FACTOR, '1')
end
