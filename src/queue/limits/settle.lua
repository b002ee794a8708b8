--- @include "settle"

-- Takes a message's result into account for its mailbox; see `settle`.
--
-- KEYS
--   mailboxStatus
--   sent
--   underWay
--   recipientCounts
-- ARGV
--   id               the message
--   took             recipients that Exchange took, or may have taken; '' = none
--   windowMs
--   works            1 when the result shows that Exchange works with this mailbox
--   connections      of the mailbox, 0 = no limit
--   underWayMsMax    how long a message may be in progress, as it was admitted
-- Returns 1 when this opened the mailbox again.
return settle({mailboxStatus = mailboxStatus, sent = sent, underWay = underWay, recipientCounts = recipientCounts}, id,
  {took = took, windowMs = windowMs, works = works, connections = connections, underWayMsMax = underWayMsMax})
