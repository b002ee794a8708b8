-- Adds a message to the count of unfinished ones (by = 1), or takes it off (by = -1).
local function countUnfinished(prefix, record, by)
  local known = redis.call('HMGET', record, 'client', 'bytes')
  local load, client, bytes = prefix .. ':load', known[1] or '', (tonumber(known[2]) or 0) * by
  redis.call('HINCRBY', load, 'messages', by)
  redis.call('HINCRBY', load, 'bytes', bytes)
  if redis.call('HINCRBY', load, 'messages:' .. client, by) == 0 then
    redis.call('HDEL', load, 'messages:' .. client, 'bytes:' .. client)
  else
    redis.call('HINCRBY', load, 'bytes:' .. client, bytes)
  end
end
