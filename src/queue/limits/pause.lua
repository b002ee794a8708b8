--- @include "redis-time"

-- Pauses a mailbox.
--
-- KEYS
--   mailboxStatus
-- ARGV
redis.call('HSET', mailboxStatus, 'pausedMs', redisTime())
