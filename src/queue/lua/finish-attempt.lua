--- @include "add-attempt"
--- @include "finish-message"

-- Adds an attempt to the record, and its consequences when the attempt is the one that the record has open. A worker
-- that lost its job to another (frozen, cut off) still has its attempt recorded, and its success counts.
-- A full Redis refuses a script's first write if that takes memory, and lets all later ones through. So the first write
-- here frees memory: the result of an attempt must be recorded, or the message would be sent again.
-- message: prefix, record (key), body (key), id
-- result: token, attempt (JSON), recipients (JSON), status, nextAttemptAtMs ('' = none), finishedAtMs ('' = not
-- finished), retentionMs
-- Returns 1 when the status was set, 0 when only the attempt was added, -1 when there is no record.
local function finishAttempt(message, result)
  local record = message.record
  if redis.call('EXISTS', record) == 0 then return -1 end
  redis.call('HDEL', record, 'nextAttemptAt')
  addAttempt(record, result.attempt)
  if redis.call('HGET', record, 'openToken') ~= result.token and result.status ~= 'sent' then return 0 end
  local wasOver = redis.call('HEXISTS', record, 'finishedAt') == 1
  redis.call('HSET', record, 'recipients', result.recipients)
  redis.call('HDEL', record, 'openAt', 'openToken', 'finalDotAt')
  if result.nextAttemptAtMs ~= '' then redis.call('HSET', record, 'nextAttemptAt', result.nextAttemptAtMs) end
  if result.finishedAtMs == '' or wasOver then
    moveTo(message.prefix, record, message.id, result.status)
  else
    finishMessage(message, result.status, tonumber(result.finishedAtMs), tonumber(result.retentionMs))
  end
  return 1
end
