/**
 * The Lua scripts that find tickets which BullMQ can't bring any more, and put others in their place. They use keys under
 * the prefix that they are given, and so in the same slot of a cluster: see keys.ts.
 */
import { PRIORITIES, PRIORITY_FACTOR } from '../jobs/priorities.ts';
import { defineLua, type LuaScript } from '../redis/lua.ts';
import type { RedisClient } from '../redis/client.ts';
import { TICKET } from '../jobs/job-script.ts';

/**
 * `isOpen`: whether a message needs a ticket: it is not over, and does not wait for a person.
 * `isPlaced`: whether a ticket is where a worker finds it, and comes before the end of all days.
 */
const STATE = `
${TICKET}
local OPEN = {scheduled = true, queued = true, sending = true, deferred = true}
local function isOpen(record)
  return redis.call('TYPE', record).ok == 'hash' and OPEN[redis.call('HGET', record, 'status') or ''] == true
end
local function isPlaced(queue, ticket)
  local score = redis.call('ZSCORE', queue .. ':prioritized', ticket)
  if score then return tonumber(score) < ${(Math.max(...Object.values(PRIORITIES)) + 1) * PRIORITY_FACTOR} end
  return (redis.call('ZSCORE', queue .. ':delayed', ticket) or redis.call('LPOS', queue .. ':active', ticket)
    or redis.call('LPOS', queue .. ':wait', ticket)) and true or false
end
local function messageOf(ticket) return string.match(ticket, '^[^~]*') end
local function isWell(prefix, id)
  local known = redis.call('HMGET', prefix .. ':record:' .. id, 'queue', 'ticket')
  local queue, ticket = prefix .. ':' .. (known[1] or ''), known[2] or id
  return messageOf(ticket) == id and isPlaced(queue, ticket) and isSound(queue .. ':' .. ticket)
end
`;

/**
 * Looks at the tickets of some messages and at all those that workers have, which would come back to them for ever.
 * Drops those that are spoilt and whose message needs none.
 *
 * KEYS[1] queues
 * ARGV[1] prefix, then the messages
 * Returns the messages that need another ticket.
 */
const INSPECT = `
${STATE}
local prefix = ARGV[1]
local found, seen = {}, {}
local function inspect(id)
  if seen[id] then return end
  seen[id] = true
  if isOpen(prefix .. ':record:' .. id) and not isWell(prefix, id) then found[#found + 1] = id end
end
for i = 2, #ARGV do inspect(ARGV[i]) end
for _, name in ipairs(redis.call('SMEMBERS', KEYS[1])) do
  local queue = prefix .. ':' .. name
  for _, ticket in ipairs(redis.call('LRANGE', queue .. ':active', 0, -1)) do
    local id, job = messageOf(ticket), queue .. ':' .. ticket
    if isOpen(prefix .. ':record:' .. id) then
      inspect(id)
    elseif not isSound(job) then
      redis.call('LREM', queue .. ':active', 0, ticket)
      redis.call('DEL', job, job .. ':lock')
    end
  end
end
return found
`;

/**
 * Writes a message's ticket anew, unless it is well. A worker that has it keeps it: only what it says is mended, and when
 * its lock has ended it comes back.
 *
 * KEYS[1] record
 * ARGV[1] prefix   ARGV[2] id   ARGV[3] queue   ARGV[4] ticket   ARGV[5] now (ms)   ARGV[6] its lane   ARGV[7] delay (ms)
 * ARGV[8] its data (JSON)
 * Returns 1, or 0 when there is nothing to mend.
 */
const MEND = `
${STATE}
local prefix, id, ticket = ARGV[1], ARGV[2], ARGV[4]
if not isOpen(KEYS[1]) or isWell(prefix, id) then return 0 end
local queue = prefix .. ':' .. ARGV[3]
local job = queue .. ':' .. ticket
local now, lane, delay, data = tonumber(ARGV[5]), tonumber(ARGV[6]), tonumber(ARGV[7]), ARGV[8]
redis.call('HSET', KEYS[1], 'queue', ARGV[3], 'ticket', ticket)
redis.call('DEL', job)
if isPlaced(queue, ticket) then
  writeJob(job, now, lane, delay, data)
else
  redis.call('DEL', job .. ':lock')
  writeTicket(queue, ticket, now, lane, delay, data)
end
return 1
`;

/** Each takes its keys and its arguments as they are listed with it. */
export interface TicketWatchScripts {
  readonly inspect: LuaScript<string[]>;
  readonly mend: LuaScript<number>;
}

export function defineTicketWatchScripts(redis: RedisClient): TicketWatchScripts {
  return defineLua<TicketWatchScripts>(redis, { inspect: INSPECT, mend: MEND });
}
