-- Removes messages whose retention is over.
--
-- KEYS
--   finished
-- ARGV
--   prefix
--   nowMs
--   max       how many at most
-- Returns their number.
local ids = redis.call('ZRANGEBYSCORE', finished, '-inf', nowMs, 'LIMIT', 0, max)
for _, id in ipairs(ids) do
  local record = prefix .. ':record:' .. id
  local known = redis.call('HMGET', record, 'client', 'queue', 'status')
  redis.call('ZREM', finished, id)
  redis.call('ZREM', prefix .. ':index', id)
  redis.call('ZREM', prefix .. ':index:client:' .. (known[1] or ''), id)
  redis.call('ZREM', prefix .. ':index:queue:' .. (known[2] or ''), id)
  redis.call('ZREM', prefix .. ':index:status:' .. (known[3] or ''), id)
  redis.call('DEL', record, prefix .. ':body:' .. id)
end
return #ids
