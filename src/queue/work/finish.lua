--- @include "finish-attempt"

-- Completes an attempt in its record only; see `finishAttempt`.
--
-- KEYS
--   record
--   body
-- ARGV
--   prefix
--   id
--   token              of the attempt
--   attempt            JSON
--   recipients         JSON
--   status
--   nextAttemptAtMs    '' = none
--   finishedAtMs       '' = not finished
--   retentionMs        from the end on
-- Returns 1 when the status was set, 0 when only the attempt was added, -1 when there is no record.
return finishAttempt({prefix = prefix, record = record, body = body, id = id},
  {token = token, attempt = attempt, recipients = recipients, status = status, nextAttemptAtMs = nextAttemptAtMs,
    finishedAtMs = finishedAtMs, retentionMs = retentionMs})
