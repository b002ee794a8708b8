--- @include "move-to"
--- @include "count-unfinished"

-- A record outlives its retention by this long, so that the pruner can still take it out of the indexes.
local PRUNE_GRACE_MS = 3600000

-- Ends a message with its last status. Its record and its body stay for `retentionMs`; the body of a sent one goes.
-- message: prefix, record (key), body (key), id
local function finishMessage(message, status, nowMs, retentionMs)
  local prefix, record, body, id = message.prefix, message.record, message.body, message.id
  moveTo(prefix, record, id, status)
  countUnfinished(prefix, record, -1)
  redis.call('HSET', record, 'finishedAt', nowMs)
  redis.call('ZREM', prefix .. ':deadlines', id)
  redis.call('ZADD', prefix .. ':finished', nowMs + retentionMs, id)
  redis.call('PEXPIRE', record, retentionMs + PRUNE_GRACE_MS)
  if status == 'sent' then redis.call('DEL', body) else redis.call('PEXPIRE', body, retentionMs) end
end
