--- @include "read-lease-clock"

-- Sets the lease clock to its time now, and returns that.
local function advanceLeaseClock(key, now)
  local clock = readLeaseClock(key, now, LEASE_CLOCK_RUN_MS_MAX)
  redis.call('HSET', key, 'shows', string.format('%.0f', clock), 'atMs', string.format('%.0f', now))
  redis.call('PEXPIRE', key, LEASES_KEPT_MS)
  return clock
end
