-- The time by which leases end (ms). It runs from one heartbeat of any worker to the next, but by no more than two
-- heartbeats: when none came for longer, Redis was away and no worker could renew a lease. Otherwise the first worker
-- that comes back would find the others' leases ended, and take leases whose connections are still open.
local function readLeaseClock(key, now)
  local known = redis.call('HMGET', key, 'shows', 'atMs')
  local shows, at = tonumber(known[1] or ''), tonumber(known[2] or '')
  if not shows or not at then return now end
  return shows + math.max(0, math.min(now - at, 2 * HEARTBEAT_MS))
end
