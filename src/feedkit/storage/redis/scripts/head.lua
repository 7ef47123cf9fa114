-- The header of a timeline without its entries, and behind it the epoch; '' where there is none.
-- KEYS[1] the timeline   KEYS[2] the mark of its bucket   ARGV[1] bytes of a header
local head = redis.pcall('LINDEX', KEYS[1], 0)
if type(head) ~= 'string' then return '' end
if string.len(head) < tonumber(ARGV[1]) then return '?' end
return string.sub(head, 1, tonumber(ARGV[1])) .. string.sub(redis.call('GET', KEYS[2]) or '', 1, 8)
