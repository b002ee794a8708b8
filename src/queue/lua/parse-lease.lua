-- Reads a lease: returns its connections, and its end by the lease clock. A value that cannot be read has ended.
local function parseLease(value)
  local count, expiry = string.match(value, '^(%d+):(%d+)$')
  return tonumber(count or '0'), tonumber(expiry or '0')
end
