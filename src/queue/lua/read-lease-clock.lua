-- The time by which leases end (ms). It is Redis's time without the times in which no worker renewed its leases, because
-- Redis was away: between two heartbeats it runs on by `runMsMax` at most. Otherwise the first worker that comes back
-- would find the others' leases ended, and take leases whose connections are still open.
local function readLeaseClock(key, now, runMsMax)
  local known = redis.call('HMGET', key, 'shows', 'atMs')
  local shows, at = tonumber(known[1] or ''), tonumber(known[2] or '')
  if not shows or not at then return now end
  return shows + math.max(0, math.min(now - at, runMsMax))
end
