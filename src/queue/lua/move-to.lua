-- Sets a message's status, and moves the message from the index of the old status to that of the new one.
local function moveTo(prefix, record, id, status)
  local known = redis.call('HMGET', record, 'status', 'acceptedAtMs')
  if known[1] then redis.call('ZREM', prefix .. ':index:status:' .. known[1], id) end
  redis.call('ZADD', prefix .. ':index:status:' .. status, tonumber(known[2]) or 0, id)
  redis.call('HSET', record, 'status', status)
end
