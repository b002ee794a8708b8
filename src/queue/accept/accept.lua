--- @include "redis-time"
--- @include "enqueue-job"
--- @include "backlog"

-- Writes messages: record, content, job and index entries of each, unless Redis comes to it too late (the sender has
-- given up by then) or its Idempotency-Key was used before. What many messages have in common (indexes, queues, load)
-- is written once for all of them.
--
-- KEYS
--   index
-- ARGV
--   prefix
--   messages[]
--     id
--     content
--     acceptedAtMs
--     expiresAtMs
--     client
--     queue
--     status
--     message          JSON
--     recipients       JSON
--     priority
--     delayMs
--     jobData          JSON
--     idempotencyKey   the message's hash ('' = none)
--     requestKey       the request's hash; of a request for one message the same
--     digest           of the request
--     keptMs           how long the Idempotency-Key is kept
--     latestMs         the latest time for it, by Redis's clock
-- Returns {Redis's time (ms), and of each message {'written', backlog before it}, {'late'}, {'used', the message's
-- hash, flat}, or {'other'}: the key was used for another request}.
local now = redisTime()
local indexes, load, queues = {}, {}, {}

local function addTo(name, score, id)
  local members = indexes[name] or {}
  members[#members + 1] = score
  members[#members + 1] = id
  indexes[name] = members
end

local function addToLoad(field, by)
  load[field] = (load[field] or 0) + by
end

-- Uses an Idempotency-Key; returns the answer instead when it was used before.
local function useKey(m)
  if (redis.call('HGET', m.requestKey, 'fingerprint') or m.digest) ~= m.digest then return {'other'} end
  local used = redis.call('HGETALL', m.idempotencyKey)
  if #used > 0 then return {'used', unpack(used)} end
  redis.call('HSET', m.requestKey, 'fingerprint', m.digest)
  redis.call('HSET', m.idempotencyKey, 'id', m.id)
  redis.call('PEXPIRE', m.idempotencyKey, m.keptMs)
  if redis.call('PTTL', m.requestKey) < tonumber(m.keptMs) then redis.call('PEXPIRE', m.requestKey, m.keptMs) end
  return nil
end

local function writeMessage(m)
  redis.call('SET', prefix .. ':body:' .. m.id, m.content)
  redis.call('HSET', prefix .. ':record:' .. m.id, 'acceptedAtMs', m.acceptedAtMs, 'client', m.client,
    'bytes', #m.content, 'queue', m.queue, 'status', m.status, 'message', m.message, 'recipients', m.recipients)
  addTo(prefix .. ':deadlines', m.expiresAtMs, m.id)
  addTo(index, m.acceptedAtMs, m.id)
  addTo(index .. ':client:' .. m.client, m.acceptedAtMs, m.id)
  addTo(index .. ':queue:' .. m.queue, m.acceptedAtMs, m.id)
  addTo(index .. ':status:' .. m.status, m.acceptedAtMs, m.id)
  queues[m.queue] = true
  addToLoad('messages', 1)
  addToLoad('bytes', #m.content)
  addToLoad('messages:' .. m.client, 1)
  addToLoad('bytes:' .. m.client, #m.content)
end

local function accept(m)
  if now > tonumber(m.latestMs) then return {'late'} end
  local replay = m.idempotencyKey ~= '' and useKey(m)
  if replay then return replay end
  writeMessage(m)
  local queue = prefix .. ':' .. m.queue
  local before = backlog(queue)
  enqueueJob(queue, tonumber(m.acceptedAtMs),
    {id = m.id, priority = tonumber(m.priority), delayMs = tonumber(m.delayMs), data = m.jobData})
  return {'written', unpack(before)}
end

local answers = {now}
for _, message in ipairs(messages) do answers[#answers + 1] = accept(message) end
for name, members in pairs(indexes) do redis.call('ZADD', name, unpack(members)) end
for queue in pairs(queues) do redis.call('SADD', prefix .. ':queues', queue) end
for field, by in pairs(load) do redis.call('HINCRBY', prefix .. ':load', field, by) end
return answers
