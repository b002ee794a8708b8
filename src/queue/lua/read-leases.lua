--- @include "parse-lease"

-- Reads who has a mailbox's connections, and removes leases that have ended. A lease is `count:expiry`, by the worker's
-- name or by `visitor:NAME` for the one connection of a guest; a guest that still waits for it has a count of 0.
-- Returns the mailbox's limit, the connections of all others than `self`, and the number of guests among these.
local function readLeases(mailbox, self, now, clock)
  local limit = tonumber(mailbox.limit)
  local cap = redis.call('HMGET', mailbox.status, 'seatCap', 'seatCapAtMs')
  if cap[1] then limit = math.min(limit, cap[1] + math.floor((now - cap[2]) / CONNECTION_BACK_MS)) end
  local taken, guests = 0, 0
  local entries = redis.call('HGETALL', mailbox.leases)
  for i = 1, #entries, 2 do
    local count, expiry = parseLease(entries[i + 1])
    if expiry <= clock then
      redis.call('HDEL', mailbox.leases, entries[i])
    elseif entries[i] ~= self then
      taken = taken + count
      if string.sub(entries[i], 1, 8) == 'visitor:' then guests = guests + 1 end
    end
  end
  return limit, taken, guests
end
