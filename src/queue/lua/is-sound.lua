-- What BullMQ keeps of a job of ours. Any other field leads somewhere else: to a parent, a schedule, an end.
local JOB_TEXTS = {'name', 'data', 'opts', 'failedReason', 'stacktrace'}
local JOB_COUNTS = {'timestamp', 'delay', 'priority', 'processedOn', 'ats', 'atm', 'stc'}
-- Redis cannot add to counts of more digits for long.
local COUNT_DIGITS_MAX = 15

local function isCount(text)
  return string.match(text, '^%d+$') ~= nil and #text <= COUNT_DIGITS_MAX
end

-- Whether a worker can begin with what a job says, and end with it.
local function isSound(job)
  if redis.call('TYPE', job).ok ~= 'hash' then return false end
  local fields, known = redis.call('HGETALL', job), {}
  for i = 1, #fields, 2 do known[fields[i]] = fields[i + 1] end
  local options = string.match(known.opts or '', '^{"delay":%d+,"priority":%d+,(.*)$')
  if options ~= JOB_OPTIONS or not pcall(cjson.decode, known.data) then return false end
  for _, field in ipairs(JOB_COUNTS) do
    if known[field] and not isCount(known[field]) then return false end
    known[field] = nil
  end
  for _, field in ipairs(JOB_TEXTS) do known[field] = nil end
  return next(known) == nil
end
