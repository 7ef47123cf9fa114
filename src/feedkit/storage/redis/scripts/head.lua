-- The header of a timeline without its entries, and behind it the epoch; '' where there is none.
-- KEYS[1] the timeline   KEYS[2] the mark of its bucket   ARGV[1] bytes of a header
local head = redis.pcall('LINDEX', KEYS[1], 0)
if type(head) ~= 'string' then return '' end
if string.len(head) < tonumber(ARGV[1]) then return '?' end
local mark = redis.call('GET', KEYS[2])
local epoch = mark and string.find(mark, '^:%d', 9) and string.sub(mark, 1, 8) or ''
return string.sub(head, 1, tonumber(ARGV[1])) .. epoch
