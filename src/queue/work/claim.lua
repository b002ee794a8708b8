--- @include "admit"
--- @include "move-to"

-- Claims a message for an attempt when its mailbox admits it. A message that is over, or whose status is corrupt, stays as
-- it is. The fields as they were come back, so that the caller sees what a worker that died left open. A record or a body
-- of another type gives its error in its place: the message is admitted anyway.
--
-- KEYS
--   record
--   body
--   mailboxStatus
--   sent
--   underWay
--   recipientCounts
--   workers
--   leaseClock
-- ARGV
--   prefix
--   id
--   nowMs
--   token            of the attempt
--   through          the mailbox (JSON)
--   recipients       their number
--   worker           '' = not known
--   perWindow        messages, 0 = no limit
--   perDay           recipients, 0 = no limit
--   windowMs
--   underWayMsMax    how long the message may be in progress
-- Returns {{'admitted', 0} or {reason, wait in ms}}, and for an admitted message after it the record's fields as they
-- were, flat (empty when there is no record), and the body (null when it is missing, its length when it is too large
-- to come along).

-- A script copies what it returns, and other clients wait meanwhile: a larger body is asked for by itself.
local BODY_BYTES_MAX = 262144
local UNFINISHED = {scheduled = true, queued = true, sending = true, deferred = true, held = true}

local function openAttempt()
  local before = redis.pcall('HGETALL', record)
  if before.err or #before == 0 or not UNFINISHED[redis.call('HGET', record, 'status') or ''] then return before end
  moveTo(prefix, record, id, 'sending')
  redis.call('HSET', record, 'openAt', nowMs, 'openToken', token, 'through', through)
  redis.call('HDEL', record, 'nextAttemptAt')
  return before
end

local function readBody()
  local bytes = redis.pcall('STRLEN', body)
  if type(bytes) == 'number' and bytes > BODY_BYTES_MAX then return bytes end
  return redis.pcall('GET', body)
end

local admission = admit(
  {mailboxStatus = mailboxStatus, sent = sent, underWay = underWay, recipientCounts = recipientCounts,
    workers = workers, leaseClock = leaseClock},
  {id = id, recipients = recipients, worker = worker},
  {perWindow = perWindow, perDay = perDay, windowMs = windowMs, underWayMsMax = underWayMsMax})
if admission[1] ~= 'admitted' then return {admission} end
return {admission, openAttempt(), readBody()}
