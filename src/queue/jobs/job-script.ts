/**
 * Writes a ticket from within a script, in the same step as the message it is for. What BullMQ's own `addJob` does
 * beyond it (events that nobody reads, parents, duplicates) costs more than all the rest of an accept. A test holds the
 * two equal: a ticket is one that BullMQ could have written.
 */
import { JOB_NAME, JOB_OPTIONS } from './job.ts';
import { PRIORITIES, PRIORITY_FACTOR } from './priorities.ts';

/** BullMQ keeps a delayed job at its time (ms) × 2^12 + its place among those of the same time. */
const DELAY_FACTOR = 4_096;

/** What BullMQ keeps of a ticket of ours. Whatever else stands in one leads somewhere else: to a parent, a schedule, an end. */
const TEXTS = ['name', 'data', 'opts', 'failedReason', 'stacktrace'];
const COUNTS = ['timestamp', 'delay', 'priority', 'processedOn', 'ats', 'atm', 'stc'];
/** Counts of more digits would soon be beyond what Redis can count on. */
const COUNT_DIGITS_MAX = 15;

/**
 * `writeJob`: writes what a ticket says, and not where it waits.
 * `isSound`: whether a worker can begin with what a ticket says, and end with it.
 * `writeTicket`: writes a ticket, unless it is there. One that waits for its time has a delay.
 * `backlog`: how many wait in each lane, the highest first, and how many are under way.
 */
export const TICKET = `
local OPTIONS = '${JSON.stringify(JOB_OPTIONS).slice(1)}'
local function writeJob(job, now, lane, delay, data)
  local options = '{"delay":' .. delay .. ',"priority":' .. lane .. ',' .. OPTIONS
  redis.call('HSET', job, 'name', '${JOB_NAME}', 'data', data, 'opts', options, 'timestamp', now, 'delay', delay,
    'priority', lane)
end
local function isCount(text)
  return string.match(text, '^%d+$') ~= nil and #text <= ${COUNT_DIGITS_MAX}
end
local function isSound(job)
  if redis.call('TYPE', job).ok ~= 'hash' then return false end
  local fields, known = redis.call('HGETALL', job), {}
  for i = 1, #fields, 2 do known[fields[i]] = fields[i + 1] end
  local options = string.match(known.opts or '', '^{"delay":%d+,"priority":%d+,(.*)$')
  if options ~= OPTIONS or not pcall(cjson.decode, known.data) then return false end
  for _, field in ipairs({${COUNTS.map((field) => `'${field}'`).join(', ')}}) do
    if known[field] and not isCount(known[field]) then return false end
    known[field] = nil
  end
  for _, field in ipairs({${TEXTS.map((field) => `'${field}'`).join(', ')}}) do known[field] = nil end
  return next(known) == nil
end
local function writeTicket(queue, ticket, now, lane, delay, data)
  local job = queue .. ':' .. ticket
  if redis.call('EXISTS', job) == 1 then return end
  writeJob(job, now, lane, delay, data)
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
  for i, lane in ipairs({${Object.values(PRIORITIES).join(', ')}}) do
    local to = '(' .. (lane + 1) * ${PRIORITY_FACTOR}
    counts[i] = redis.call('ZCOUNT', queue .. ':prioritized', from, to)
    from = string.sub(to, 2)
  end
  counts[#counts + 1] = redis.call('LLEN', queue .. ':active')
  return counts
end
`;
