-- Moves the mark of a bucket on; where it stands lower than it was left, the epoch moves on instead.
-- KEYS[1] the mark, "<epoch, 8 bytes>:<number of the log>"   KEYS[2] the step of the bucket
-- ARGV[1] lowest number it may stand at
-- ARGV[2] the number up to which all is delivered, '' to leave it and begin a new epoch
-- ARGV[3] an epoch that there never was   ARGV[4] the last step of the turn, '' outside of one
-- Gives the number where it stands now, -1 where a new epoch began, -2 where the step is another.
if ARGV[4] ~= '' and redis.call('GET', KEYS[2]) ~= ARGV[4] then return -2 end
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
