local UNFINISHED = {scheduled = true, queued = true, sending = true, deferred = true}

-- Whether a message needs a job: it is not finished, and does not wait for a person.
local function needsJob(record)
  return redis.call('TYPE', record).ok == 'hash' and UNFINISHED[redis.call('HGET', record, 'status') or ''] == true
end
