-- Moves the mark of a bucket on; where it stands lower than it was left, the epoch moves on instead.
-- KEYS[1] the mark, "<epoch, 8 bytes>:<number of the log>"
-- ARGV[1] lowest number it may stand at
-- ARGV[2] the number up to which all is delivered, '' to leave it and begin a new epoch
-- ARGV[3] an epoch that there never was
-- Gives the number where it stands now, or -1 where a new epoch began.
local mark = redis.call('GET', KEYS[1])
local number = mark and string.len(mark) > 9 and tonumber(string.sub(mark, 10)) or -1
local up_to = ARGV[2]
if up_to ~= '' and number >= tonumber(ARGV[1]) then
  if tonumber(up_to) <= number then return number end
  redis.call('SET', KEYS[1], string.sub(mark, 1, 9) .. up_to)
  return tonumber(up_to)
end
if up_to == '' then up_to = number >= 0 and string.sub(mark, 10) or '0' end
redis.call('SET', KEYS[1], ARGV[3] .. ':' .. up_to)
return -1
