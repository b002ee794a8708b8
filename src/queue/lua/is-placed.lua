-- Whether a job is where a worker finds it, and its turn comes some day.
local function isPlaced(queue, jobId)
  local score = redis.call('ZSCORE', queue .. ':prioritized', jobId)
  if score then return tonumber(score) < (PRIORITY_LOW + 1) * PRIORITY_FACTOR end
  return (redis.call('ZSCORE', queue .. ':delayed', jobId) or redis.call('LPOS', queue .. ':active', jobId)
    or redis.call('LPOS', queue .. ':wait', jobId)) and true or false
end
