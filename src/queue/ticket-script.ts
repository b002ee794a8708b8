/**
 * Writes a ticket from within a script, in the same step as the message it is for. What BullMQ's own `addJob` does
 * beyond it (events that nobody reads, parents, duplicates) costs more than all the rest of an accept. A test holds the
 * two equal: a ticket is one that BullMQ could have written.
 */
import { JOB_NAME, JOB_OPTIONS } from './job.ts';
import { LANES, PRIORITY_FACTOR } from './lanes.ts';

/** BullMQ keeps a delayed job at its time (ms) × 2^12 + its place among those of the same time. */
const DELAY_FACTOR = 4_096;

/**
 * `writeTicket`: writes a ticket, unless it is there. One that waits for its time has a delay.
 * `backlog`: how many wait in each lane, the highest first, and how many are under way.
 */
export const TICKET = `
local function writeTicket(queue, ticket, now, lane, delay, data)
  local job = queue .. ':' .. ticket
  if redis.call('EXISTS', job) == 1 then return end
  local options = '{"delay":' .. delay .. ',"priority":' .. lane .. ',' .. '${JSON.stringify(JOB_OPTIONS).slice(1)}'
  redis.call('HSET', job, 'name', '${JOB_NAME}', 'data', data, 'opts', options, 'timestamp', now, 'delay', delay,
    'priority', lane)
  if delay == 0 then
    local place = redis.call('INCR', queue .. ':pc') % ${PRIORITY_FACTOR}
    redis.call('ZADD', queue .. ':prioritized', lane * ${PRIORITY_FACTOR} + place, ticket)
    redis.call('ZADD', queue .. ':marker', 0, '0')
    return
  end
  local first = (now + delay) * ${DELAY_FACTOR}
  local last = first + ${DELAY_FACTOR} - 1
  local taken = redis.call('ZREVRANGEBYSCORE', queue .. ':delayed', last, first, 'WITHSCORES', 'LIMIT', 0, 1)
  redis.call('ZADD', queue .. ':delayed', taken[2] and math.min(last, taken[2] + 1) or first, ticket)
  local next = redis.call('ZRANGE', queue .. ':delayed', 0, 0, 'WITHSCORES')
  redis.call('ZADD', queue .. ':marker', next[2] / ${DELAY_FACTOR}, '1')
end
local function backlog(queue)
  local counts, from = {}, '-inf'
  for i, lane in ipairs({${Object.values(LANES).join(', ')}}) do
    local to = '(' .. (lane + 1) * ${PRIORITY_FACTOR}
    counts[i] = redis.call('ZCOUNT', queue .. ':prioritized', from, to)
    from = string.sub(to, 2)
  end
  counts[#counts + 1] = redis.call('LLEN', queue .. ':active')
  return counts
end
`;
