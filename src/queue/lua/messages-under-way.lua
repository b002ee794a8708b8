--- @include "read-lease-clock"

-- Counts a mailbox's messages in progress, and their recipients. The message `id` is not counted: it comes again, for
-- another worker has claimed it. A message whose worker has died (no lease among `workers` is valid), or whose time is
-- over, may have been sent: it counts against the rate from now on, but is no longer in progress.
local function messagesUnderWay(keys, id, windowMs, now)
  local clock = readLeaseClock(keys.leaseClock, now, LEASE_CLOCK_RUN_MS_MAX)
  local messages, recipients, leases = 0, 0, {}
  local function leaseOf(worker)
    leases[worker] = leases[worker] or tonumber(redis.call('ZSCORE', keys.workers, worker) or '0')
    return leases[worker]
  end
  local entries = redis.call('HGETALL', keys.underWay)
  for i = 1, #entries, 2 do
    local message = entries[i]
    local expiry, size, worker = string.match(entries[i + 1], '^(%d+):(%d+):?(.*)$')
    if message ~= id then
      local isDead = worker ~= '' and leaseOf(worker) <= clock
      if isDead or tonumber(expiry) <= now then
        redis.call('HDEL', keys.underWay, message)
        redis.call('ZADD', keys.sent, now + windowMs, message .. ':' .. now)
      else
        messages = messages + 1
        recipients = recipients + tonumber(size)
      end
    end
  end
  return messages, recipients
end
