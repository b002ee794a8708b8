-- Records that the final dot is about to go out, unless another worker has claimed the message since.
--
-- KEYS
--   record
-- ARGV
--   token    of the attempt
--   nowMs
-- Returns 1, or 0 when the attempt is not the one that the record has open.
if redis.call('HGET', record, 'openToken') ~= token then return 0 end
redis.call('HSET', record, 'finalDotAt', nowMs)
return 1
