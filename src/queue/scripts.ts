/** The Lua scripts that change a record: each is one atomic step of a message's life. */
import type { RedisClient } from './redis.ts';

/**
 * Takes a message up for an attempt, unless it is over. The fields as they were come back, so that the caller sees
 * what a worker that died left behind.
 *
 * KEYS[1] record
 * ARGV[1] now (ms)   ARGV[2] the attempt's token   ARGV[3] the mailbox that it goes through (JSON)
 * Returns the record's fields as they were, flat; empty when there is no record.
 */
const BEGIN = `
local before = redis.call('HGETALL', KEYS[1])
if #before == 0 then return before end
local status = redis.call('HGET', KEYS[1], 'status')
if status == 'sent' or status == 'failed' or status == 'expired' or status == 'canceled' then return before end
redis.call('HSET', KEYS[1], 'status', 'sending', 'openAt', ARGV[1], 'openToken', ARGV[2], 'through', ARGV[3])
redis.call('HDEL', KEYS[1], 'finalDotAt', 'nextAttemptAt')
return before
`;

/**
 * Adds an attempt to the record, and its consequences when the attempt is the one that the record has open. A worker
 * that lost its job to another (frozen, cut off) still gets its attempt on record, and its success counts.
 *
 * KEYS[1] record     KEYS[2] body     KEYS[3] deadlines
 * ARGV[1] the attempt's token   ARGV[2] attempt (JSON)     ARGV[3] recipients (JSON)
 * ARGV[4] status                ARGV[5] next attempt (ms, '' = none)
 * ARGV[6] finished (ms, '' = not)                          ARGV[7] retention (ms) from the end on
 * ARGV[8] message
 * Returns 1 when the status was taken over, 0 when only the attempt was noted, -1 when there is no record.
 */
const FINISH = `
if redis.call('EXISTS', KEYS[1]) == 0 then return -1 end
local n = redis.call('HINCRBY', KEYS[1], 'attempts', 1)
redis.call('HSET', KEYS[1], 'attempt:' .. n, ARGV[2])
if redis.call('HGET', KEYS[1], 'openToken') ~= ARGV[1] and ARGV[4] ~= 'sent' then return 0 end
redis.call('HSET', KEYS[1], 'status', ARGV[4], 'recipients', ARGV[3])
redis.call('HDEL', KEYS[1], 'openAt', 'openToken', 'finalDotAt', 'nextAttemptAt')
if ARGV[5] ~= '' then redis.call('HSET', KEYS[1], 'nextAttemptAt', ARGV[5]) end
if ARGV[6] == '' then return 1 end
redis.call('HSET', KEYS[1], 'finishedAt', ARGV[6])
redis.call('ZREM', KEYS[3], ARGV[8])
redis.call('PEXPIRE', KEYS[1], ARGV[7])
if ARGV[4] == 'sent' then redis.call('DEL', KEYS[2]) else redis.call('PEXPIRE', KEYS[2], ARGV[7]) end
return 1
`;

/**
 * Ends a message that no worker has under way.
 *
 * KEYS[1] record     KEYS[2] body     KEYS[3] deadlines
 * ARGV[1] attempt (JSON)        ARGV[2] recipients (JSON)   ARGV[3] status
 * ARGV[4] finished (ms)         ARGV[5] retention (ms)      ARGV[6] message
 * Returns 1, or 0 when a worker has it, it is over, or there is no record.
 */
const END_IDLE = `
local status = redis.call('HGET', KEYS[1], 'status')
if not status then redis.call('ZREM', KEYS[3], ARGV[6]) end
if status ~= 'scheduled' and status ~= 'queued' and status ~= 'deferred' and status ~= 'held' then return 0 end
if ARGV[1] ~= '' then
  local n = redis.call('HINCRBY', KEYS[1], 'attempts', 1)
  redis.call('HSET', KEYS[1], 'attempt:' .. n, ARGV[1])
end
redis.call('HSET', KEYS[1], 'status', ARGV[3], 'recipients', ARGV[2], 'finishedAt', ARGV[4])
redis.call('HDEL', KEYS[1], 'nextAttemptAt')
redis.call('ZREM', KEYS[3], ARGV[6])
redis.call('PEXPIRE', KEYS[1], ARGV[5])
redis.call('PEXPIRE', KEYS[2], ARGV[5])
return 1
`;

/**
 * Adds an attempt to the record without changing anything else.
 *
 * KEYS[1] record   ARGV[1] attempt (JSON)
 * Returns the attempt's number.
 */
const NOTE = `
local n = redis.call('HINCRBY', KEYS[1], 'attempts', 1)
redis.call('HSET', KEYS[1], 'attempt:' .. n, ARGV[1])
return n
`;

/** The scripts as methods, run by digest and loaded again by ioredis when Redis has forgotten them. */
export interface Scripts {
  begin(record: string, nowMs: number, token: string, through: string): Promise<string[]>;
  note(record: string, attempt: string): Promise<number>;
  finish(record: string, body: string, deadlines: string, ...args: (string | number)[]): Promise<number>;
  endIdle(record: string, body: string, deadlines: string, ...args: (string | number)[]): Promise<number>;
}

export function defineScripts(redis: RedisClient): Scripts {
  redis.defineCommand('relay365Begin', { numberOfKeys: 1, lua: BEGIN });
  redis.defineCommand('relay365Note', { numberOfKeys: 1, lua: NOTE });
  redis.defineCommand('relay365Finish', { numberOfKeys: 3, lua: FINISH });
  redis.defineCommand('relay365EndIdle', { numberOfKeys: 3, lua: END_IDLE });
  const commands = redis as unknown as Record<string, (...args: (string | number)[]) => Promise<unknown>>;
  return {
    begin: (...args) => commands['relay365Begin']?.(...args) as Promise<string[]>,
    note: (...args) => commands['relay365Note']?.(...args) as Promise<number>,
    finish: (...args) => commands['relay365Finish']?.(...args) as Promise<number>,
    endIdle: (...args) => commands['relay365EndIdle']?.(...args) as Promise<number>,
  };
}
