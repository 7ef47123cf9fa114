-- Moves the mark of a bucket on; where it is not as it was left, the epoch moves on instead.
-- KEYS[1] the mark, "<epoch, 8 bytes>:<number of the log>"
-- ARGV[1] lowest number it may stand at   ARGV[2] highest   ARGV[3] the number up to which all is delivered, '' to
-- leave it and begin a new epoch
-- ARGV[4] an epoch that there never was
-- Gives 1 where it moved on, 0 where a new epoch began.
local mark = redis.call('GET', KEYS[1])
local number = mark and string.len(mark) > 9 and tonumber(string.sub(mark, 10)) or -1
if ARGV[3] ~= '' and number >= tonumber(ARGV[1]) and number <= tonumber(ARGV[2]) then
  if tonumber(ARGV[3]) > number then
    redis.call('SET', KEYS[1], string.sub(mark, 1, 9) .. ARGV[3])
  end
  return 1
end
local up_to = ARGV[3]
if up_to == '' then up_to = number >= 0 and string.sub(mark, 10) or '0' end
redis.call('SET', KEYS[1], ARGV[4] .. ':' .. up_to)
return 0
