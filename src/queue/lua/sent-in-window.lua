-- How many messages Exchange accepted from a mailbox in the window of its limit.
local function sentInWindow(key, now)
  return redis.call('ZCOUNT', key, '(' .. now, '+inf')
end
