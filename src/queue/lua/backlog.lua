-- How many messages wait in a queue with each priority, the highest first, and how many workers have.
local function backlog(queue)
  local counts, from = {}, '-inf'
  for i, priority in ipairs({PRIORITY_HIGH, PRIORITY_NORMAL, PRIORITY_LOW}) do
    local to = '(' .. (priority + 1) * PRIORITY_FACTOR
    counts[i] = redis.call('ZCOUNT', queue .. PRIORITIZED, from, to)
    from = string.sub(to, 2)
  end
  counts[#counts + 1] = redis.call('LLEN', queue .. ACTIVE)
  return counts
end
