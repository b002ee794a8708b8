-- Whether a job is where a worker finds it, and its turn comes some day.
local function isPlaced(queue, jobId)
  local score = redis.call('ZSCORE', queue .. PRIORITIZED, jobId)
  if score then return tonumber(score) < (PRIORITY_LOW + 1) * PRIORITY_FACTOR end
  return (redis.call('ZSCORE', queue .. DELAYED, jobId) or redis.call('LPOS', queue .. ACTIVE, jobId)
    or redis.call('LPOS', queue .. WAIT, jobId)) and true or false
end
