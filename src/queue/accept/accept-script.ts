/**
 * The Lua script that takes messages in, all of them in one atomic step. Beside the key that it is given it uses keys under
 * the same prefix, and so in the same slot of a cluster: see keys.ts.
 */
import { defineLua, type LuaScript, NOW } from '../redis/lua.ts';
import type { RedisClient } from '../redis/client.ts';
import { TICKET } from '../jobs/job-script.ts';

/** How many arguments each message of an accept has. */
const ACCEPT_ARGUMENTS = 17;

/**
 * Writes messages: record, content, ticket and places in the indexes of each, unless Redis comes to it too late (whoever
 * asked has given up by then, and was told so) or its Idempotency-Key was used before. What many messages have in
 * common (indexes, queues, load) is written once for all of them.
 *
 * KEYS[1] index
 * ARGV[1] prefix, then for each message:
 *   id, content, accepted (ms), the end of its time (ms), client, queue, status, the rest of its record: message (JSON)
 *   and recipients (JSON), its ticket: lane, delay (ms) and data (JSON), its Idempotency-Key: the name of the message's
 *   hash ('' = none), that of the request's, which of a request for one message is the same, fingerprint and how long it
 *   is kept (ms), the latest time for it (ms, Redis's clock)
 * Returns {Redis's time (ms), {written, backlog before it} | {late} | {used, the message's hash, flat} | {other}, …}.
 * `other`: the key was used for another request.
 */
const ACCEPT = `
${NOW}
${TICKET}
local prefix = ARGV[1]
local indexes, load, queues = {}, {}, {}
local function place(index, score, id)
  local places = indexes[index] or {}
  places[#places + 1] = score
  places[#places + 1] = id
  indexes[index] = places
end
local function count(field, by)
  load[field] = (load[field] or 0) + by
end
local function accept(id, content, acceptedAt, expiresAt, client, queue, status, message, recipients, lane, delay, data,
  key, requestKey, fingerprint, kept, latest)
  if now > tonumber(latest) then return {'late'} end
  if key ~= '' then
    if (redis.call('HGET', requestKey, 'fingerprint') or fingerprint) ~= fingerprint then return {'other'} end
    local used = redis.call('HGETALL', key)
    if #used > 0 then return {'used', unpack(used)} end
    redis.call('HSET', requestKey, 'fingerprint', fingerprint)
    redis.call('HSET', key, 'id', id)
    redis.call('PEXPIRE', key, kept)
    if redis.call('PTTL', requestKey) < tonumber(kept) then redis.call('PEXPIRE', requestKey, kept) end
  end
  redis.call('SET', prefix .. ':body:' .. id, content)
  redis.call('HSET', prefix .. ':record:' .. id, 'acceptedAtMs', acceptedAt, 'client', client, 'bytes', #content,
    'queue', queue, 'status', status, 'message', message, 'recipients', recipients)
  place('deadlines', expiresAt, id)
  for _, index in ipairs({'index', 'index:client:' .. client, 'index:queue:' .. queue, 'index:status:' .. status}) do
    place(index, acceptedAt, id)
  end
  queues[queue] = true
  count('messages', 1)
  count('bytes', #content)
  count('messages:' .. client, 1)
  count('bytes:' .. client, #content)
  local before = backlog(prefix .. ':' .. queue)
  writeTicket(prefix .. ':' .. queue, id, tonumber(acceptedAt), tonumber(lane), tonumber(delay), data)
  return {'written', unpack(before)}
end
local answers = {now}
for at = 2, #ARGV, ${ACCEPT_ARGUMENTS} do
  answers[#answers + 1] = accept(unpack(ARGV, at, at + ${ACCEPT_ARGUMENTS} - 1))
end
for index, places in pairs(indexes) do redis.call('ZADD', prefix .. ':' .. index, unpack(places)) end
for queue in pairs(queues) do redis.call('SADD', prefix .. ':queues', queue) end
for field, by in pairs(load) do redis.call('HINCRBY', prefix .. ':load', field, by) end
return answers
`;

/** What became of one message of an accept. */
export type AcceptAnswer =
  | readonly ['written', high: number, normal: number, low: number, underWay: number]
  | readonly ['late']
  | readonly ['used', ...hash: string[]]
  | readonly ['other'];

/** It takes its key and its arguments as they are listed with it. */
export interface AcceptScripts {
  readonly accept: LuaScript<readonly [redisMs: number, ...answers: AcceptAnswer[]]>;
}

export function defineAcceptScripts(redis: RedisClient): AcceptScripts {
  return defineLua<AcceptScripts>(redis, { accept: ACCEPT });
}
