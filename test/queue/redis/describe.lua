-- Says what it was given.
--
-- KEYS
--   first
--   others[]
-- ARGV
--   greeting
--   pairs[]      a list of objects
--     left
--     right      a number
-- Returns texts.
local texts = {greeting, first, table.concat(others, ',')}
for _, pair in ipairs(pairs) do texts[#texts + 1] = pair.left .. SIGN .. pair.right end
texts[#texts + 1] = tostring(LIMIT)
return texts
