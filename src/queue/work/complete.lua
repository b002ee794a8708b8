--- @include "finish-attempt"
--- @include "settle"

-- Completes an attempt, and takes its result into account for the mailbox. An attempt that cannot be recorded is not
-- counted either.
--
-- KEYS
--   record
--   body
--   mailboxStatus
--   sent
--   underWay
--   recipientCounts
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
--   took               recipients that Exchange took, or may have taken; '' = none
--   windowMs
--   works              1 when the result shows that Exchange works with this mailbox
--   connections        of the mailbox, 0 = no limit
--   underWayMsMax      how long a message may be in progress, as it was admitted
-- Returns 1 when this opened the mailbox again.
finishAttempt({prefix = prefix, record = record, body = body, id = id},
  {token = token, attempt = attempt, recipients = recipients, status = status, nextAttemptAtMs = nextAttemptAtMs,
    finishedAtMs = finishedAtMs, retentionMs = retentionMs})
return settle({mailboxStatus = mailboxStatus, sent = sent, underWay = underWay, recipientCounts = recipientCounts}, id,
  {took = took, windowMs = windowMs, works = works, connections = connections, underWayMsMax = underWayMsMax})
