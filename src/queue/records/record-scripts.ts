/**
 * The Lua scripts that change a record: each is one atomic step of a message's life. They keep the indexes and the
 * count of unfinished messages along with the status, so that none of them can drift from it. Beside the keys that a
 * script is given it uses keys under the same prefix, and so in the same slot of a cluster: see keys.ts.
 */
import { ADMIT, SETTLE } from '../limits/throttle-scripts.ts';
import { defineLua, type LuaScript } from '../redis/lua.ts';
import type { RedisClient } from '../redis/client.ts';
import { TICKET } from '../jobs/job-script.ts';

/** A record outlives its retention by so much, for the sweep that takes it out of the indexes. */
const SWEEP_GRACE_MS = 3_600_000;

/**
 * `moveTo`: sets the status and moves the message from the index of the old one to that of the new one.
 * `count`: adds the message to the load (1) or takes it off (-1).
 * `finish`: ends the message, whose record and body stay for `retention` ms.
 */
const STEPS = `
local function moveTo(prefix, record, id, status)
  local known = redis.call('HMGET', record, 'status', 'acceptedAtMs')
  if known[1] then redis.call('ZREM', prefix .. ':index:status:' .. known[1], id) end
  redis.call('ZADD', prefix .. ':index:status:' .. status, tonumber(known[2]) or 0, id)
  redis.call('HSET', record, 'status', status)
end
local function count(prefix, record, by)
  local known = redis.call('HMGET', record, 'client', 'bytes')
  local load, client, bytes = prefix .. ':load', known[1] or '', (tonumber(known[2]) or 0) * by
  redis.call('HINCRBY', load, 'messages', by)
  redis.call('HINCRBY', load, 'bytes', bytes)
  if redis.call('HINCRBY', load, 'messages:' .. client, by) == 0 then
    redis.call('HDEL', load, 'messages:' .. client, 'bytes:' .. client)
  else
    redis.call('HINCRBY', load, 'bytes:' .. client, bytes)
  end
end
local function finish(prefix, record, body, id, status, now, retention)
  moveTo(prefix, record, id, status)
  count(prefix, record, -1)
  redis.call('HSET', record, 'finishedAt', now)
  redis.call('ZREM', prefix .. ':deadlines', id)
  redis.call('ZADD', prefix .. ':finished', now + retention, id)
  redis.call('PEXPIRE', record, retention + ${SWEEP_GRACE_MS})
  if status == 'sent' then redis.call('DEL', body) else redis.call('PEXPIRE', body, retention) end
end
`;

/** A script copies what it answers, and other clients wait meanwhile: a larger body is asked for by itself. */
const BODY_BYTES_MAX = 256 * 1024;

/** How many arguments the beginning of an attempt has of its own; those of ADMIT follow them. */
const BEGIN_ARGUMENTS = 5;

/**
 * Takes a message up for an attempt, unless it is over, when ADMIT with the throttle's keys of the mailbox admits it. The
 * fields as they were come back, so that the caller sees what a worker that died left behind. A record or a body of
 * another type gives its error in its place: the message is admitted all the same.
 *
 * KEYS[1] record   KEYS[2] body   then those of ADMIT
 * ARGV[1] prefix   ARGV[2] id   ARGV[3] now (ms)   ARGV[4] the attempt's token
 * ARGV[5] the mailbox that it goes through (JSON)   then those of ADMIT
 * Returns {what ADMIT does}, and of an admitted message after it the record's fields as they were, flat (empty when there
 * is no record), and the body (null when there is none, its length when it is too large to come along).
 */
const BEGIN = `
${STEPS}
local function admit(KEYS, ARGV)
${ADMIT}
end
local function begin()
  local before = redis.pcall('HGETALL', KEYS[1])
  if before.err or #before == 0 then return before end
  local status = redis.call('HGET', KEYS[1], 'status')
  if status == 'sent' or status == 'failed' or status == 'expired' or status == 'canceled' then return before end
  moveTo(ARGV[1], KEYS[1], ARGV[2], 'sending')
  redis.call('HSET', KEYS[1], 'openAt', ARGV[3], 'openToken', ARGV[4], 'through', ARGV[5])
  redis.call('HDEL', KEYS[1], 'nextAttemptAt')
  return before
end
local function body()
  local bytes = redis.pcall('STRLEN', KEYS[2])
  if type(bytes) == 'number' and bytes > ${BODY_BYTES_MAX} then return bytes end
  return redis.pcall('GET', KEYS[2])
end
local action = admit({unpack(KEYS, 3)}, {unpack(ARGV, ${BEGIN_ARGUMENTS + 1})})
if action[1] ~= 'admitted' then return {action} end
return {action, begin(), body()}
`;

/**
 * Notes that the final dot is about to go out, unless another worker has taken the message up since.
 *
 * KEYS[1] record   ARGV[1] the attempt's token   ARGV[2] now (ms)
 * Returns 1, or 0 when the attempt is not the one that the record has open.
 */
const FINAL_DOT = `
if redis.call('HGET', KEYS[1], 'openToken') ~= ARGV[1] then return 0 end
redis.call('HSET', KEYS[1], 'finalDotAt', ARGV[2])
return 1
`;

/**
 * Adds an attempt to the record, and its consequences when the attempt is the one that the record has open. A worker
 * that lost its job to another (frozen, cut off) still gets its attempt on record, and its success counts.
 * A full Redis refuses a script's first write if it takes memory, and lets all later ones through. So the first one here
 * gives memory back: what has become of a mail must be noted, or the mail would be sent again.
 *
 * KEYS[1] record   KEYS[2] body
 * ARGV[1] prefix   ARGV[2] id   ARGV[3] the attempt's token   ARGV[4] attempt (JSON)   ARGV[5] recipients (JSON)
 * ARGV[6] status   ARGV[7] next attempt (ms, '' = none)   ARGV[8] finished (ms, '' = not)
 * ARGV[9] retention (ms) from the end on
 * Returns 1 when the status was taken over, 0 when only the attempt was noted, -1 when there is no record.
 */
const FINISH = `
${STEPS}
if redis.call('EXISTS', KEYS[1]) == 0 then return -1 end
redis.call('HDEL', KEYS[1], 'nextAttemptAt')
local n = redis.call('HINCRBY', KEYS[1], 'attempts', 1)
redis.call('HSET', KEYS[1], 'attempt:' .. n, ARGV[4])
if redis.call('HGET', KEYS[1], 'openToken') ~= ARGV[3] and ARGV[6] ~= 'sent' then return 0 end
local wasOver = redis.call('HEXISTS', KEYS[1], 'finishedAt') == 1
redis.call('HSET', KEYS[1], 'recipients', ARGV[5])
redis.call('HDEL', KEYS[1], 'openAt', 'openToken', 'finalDotAt')
if ARGV[7] ~= '' then redis.call('HSET', KEYS[1], 'nextAttemptAt', ARGV[7]) end
if ARGV[8] == '' or wasOver then
  moveTo(ARGV[1], KEYS[1], ARGV[2], ARGV[6])
else
  finish(ARGV[1], KEYS[1], KEYS[2], ARGV[2], ARGV[6], tonumber(ARGV[8]), tonumber(ARGV[9]))
end
return 1
`;

/** How many arguments FINISH has; in CLOSE those of SETTLE follow them. */
const FINISH_ARGUMENTS = 9;

/**
 * Closes an attempt: FINISH, and then SETTLE with the throttle's keys of the mailbox. An attempt that can't be noted is
 * not settled either.
 *
 * KEYS[1] record   KEYS[2] body   then those of SETTLE
 * ARGV those of FINISH, then those of SETTLE
 * Returns what SETTLE does.
 */
const CLOSE = `
local function finishAttempt(KEYS, ARGV)
${FINISH}
end
local function settle(KEYS, ARGV)
${SETTLE}
end
finishAttempt(KEYS, ARGV)
return settle({unpack(KEYS, 3)}, {unpack(ARGV, ${FINISH_ARGUMENTS + 1})})
`;

/**
 * Ends a message that no worker has under way.
 *
 * KEYS[1] record   KEYS[2] body
 * ARGV[1] prefix   ARGV[2] id   ARGV[3] attempt (JSON, '' = none)   ARGV[4] recipients (JSON)   ARGV[5] status
 * ARGV[6] finished (ms)   ARGV[7] retention (ms)
 * Returns 1, or 0 when a worker has it, it is over, or there is no record.
 */
const END_IDLE = `
${STEPS}
local status = redis.call('HGET', KEYS[1], 'status')
if not status then redis.call('ZREM', ARGV[1] .. ':deadlines', ARGV[2]) end
if status ~= 'scheduled' and status ~= 'queued' and status ~= 'deferred' and status ~= 'held' then return 0 end
if ARGV[3] ~= '' then
  local n = redis.call('HINCRBY', KEYS[1], 'attempts', 1)
  redis.call('HSET', KEYS[1], 'attempt:' .. n, ARGV[3])
end
redis.call('HSET', KEYS[1], 'recipients', ARGV[4])
redis.call('HDEL', KEYS[1], 'nextAttemptAt')
finish(ARGV[1], KEYS[1], KEYS[2], ARGV[2], ARGV[5], tonumber(ARGV[6]), tonumber(ARGV[7]))
return 1
`;

/**
 * Has a message tried anew that failed, expired or waits for a person.
 *
 * KEYS[1] record   KEYS[2] body
 * ARGV[1] prefix   ARGV[2] id   ARGV[3] now (ms)   ARGV[4] message (JSON)   ARGV[5] recipients (JSON)
 * ARGV[6] the end of its new time (ms)   ARGV[7] queue   ARGV[8] ticket   ARGV[9] its lane   ARGV[10] its data (JSON)
 * Returns 1, 0 when its status is another, -1 when its content is gone.
 */
const RETRY = `
${STEPS}
${TICKET}
local status = redis.call('HGET', KEYS[1], 'status')
if status ~= 'failed' and status ~= 'expired' and status ~= 'held' then return 0 end
if redis.call('EXISTS', KEYS[2]) == 0 then return -1 end
if status ~= 'held' then count(ARGV[1], KEYS[1], 1) end
moveTo(ARGV[1], KEYS[1], ARGV[2], 'queued')
redis.call('HSET', KEYS[1], 'message', ARGV[4], 'recipients', ARGV[5], 'retriedAt', ARGV[3],
  'ticket', ARGV[8])
redis.call('HDEL', KEYS[1], 'finishedAt', 'nextAttemptAt')
redis.call('PERSIST', KEYS[1])
redis.call('PERSIST', KEYS[2])
redis.call('ZREM', ARGV[1] .. ':finished', ARGV[2])
redis.call('ZADD', ARGV[1] .. ':deadlines', ARGV[6], ARGV[2])
writeTicket(ARGV[1] .. ':' .. ARGV[7], ARGV[8], tonumber(ARGV[3]), tonumber(ARGV[9]), 0, ARGV[10])
return 1
`;

/**
 * Adds the attempt that a worker left open to the record, which until then keeps the mark of its final dot.
 *
 * KEYS[1] record   ARGV[1] attempt (JSON)
 * Returns the attempt's number.
 */
const NOTE = `
local n = redis.call('HINCRBY', KEYS[1], 'attempts', 1)
redis.call('HSET', KEYS[1], 'attempt:' .. n, ARGV[1])
redis.call('HDEL', KEYS[1], 'finalDotAt')
return n
`;

/**
 * Forgets messages whose retention is over.
 *
 * KEYS[1] finished
 * ARGV[1] prefix   ARGV[2] now (ms)   ARGV[3] how many at most
 * Returns their number.
 */
const SWEEP = `
local prefix = ARGV[1]
local ids = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', ARGV[2], 'LIMIT', 0, ARGV[3])
for _, id in ipairs(ids) do
  local record = prefix .. ':record:' .. id
  local known = redis.call('HMGET', record, 'client', 'queue', 'status')
  redis.call('ZREM', KEYS[1], id)
  redis.call('ZREM', prefix .. ':index', id)
  redis.call('ZREM', prefix .. ':index:client:' .. (known[1] or ''), id)
  redis.call('ZREM', prefix .. ':index:queue:' .. (known[2] or ''), id)
  redis.call('ZREM', prefix .. ':index:status:' .. (known[3] or ''), id)
  redis.call('DEL', record, prefix .. ':body:' .. id)
end
return #ids
`;

/** What Redis answers in the place of a key of another type. */
export type Found<Value> = Value | Error;

export type BeginAnswer = readonly [
  action: readonly [reason: Buffer, waitMs: number],
  fields?: Found<readonly Buffer[]>,
  body?: Found<Buffer | number | null>,
];

/** Each takes its keys and its arguments as they are listed with it. */
export interface RecordScripts {
  readonly begin: LuaScript<BeginAnswer>;
  readonly finalDot: LuaScript<number>;
  readonly finish: LuaScript<number>;
  readonly close: LuaScript<number>;
  readonly endIdle: LuaScript<number>;
  readonly retry: LuaScript<number>;
  readonly note: LuaScript<number>;
  readonly sweep: LuaScript<number>;
}

export function defineRecordScripts(redis: RedisClient): RecordScripts {
  const scripts = {
    begin: BEGIN,
    finalDot: FINAL_DOT,
    finish: FINISH,
    close: CLOSE,
    endIdle: END_IDLE,
    retry: RETRY,
    note: NOTE,
    sweep: SWEEP,
  };
  // A body is not text.
  return defineLua<RecordScripts>(redis, scripts, ['begin']);
}
