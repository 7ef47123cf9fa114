-- Moves the mark of a bucket on; where it stands lower than it was left, the epoch moves on instead.
-- KEYS[1] the mark, "<epoch, 8 bytes>:<number of the log>" and perhaps ":<entries under way, 16 bytes each>"
-- KEYS[2] the step of the bucket
-- ARGV[1] lowest number it may stand at
-- ARGV[2] the number up to which all is delivered, '' to leave it and begin a new epoch
-- ARGV[3] an epoch that there never was   ARGV[4] the last step of the turn, '' outside of one
-- ARGV[5] entries that are under way from now on   ARGV[6] all entries that may be under way
-- Gives the number where it stands now, -1 where a new epoch began, -2 where the step is another.
if ARGV[4] ~= '' and redis.call('GET', KEYS[2]) ~= ARGV[4] then return -2 end
local mark, up_to = redis.call('GET', KEYS[1]), ARGV[2]
local said = string.match(mark or '', '^:(%d+)', 9)
local rest = said and string.sub(mark, 10 + string.len(said))
if said and (string.len(said) > 15 or rest ~= '' and not string.find(rest, '^:')) then said = nil end
local number, under_way = said and tonumber(said) or -1, said and string.sub(rest, 2) or ''
local stands = up_to ~= '' and number >= tonumber(ARGV[1])
if stands and under_way ~= '' then
  local known = {}
  for at = 1, string.len(ARGV[6]), 16 do known[string.sub(ARGV[6], at, at + 15)] = true end
  for at = 1, string.len(under_way), 16 do stands = stands and known[string.sub(under_way, at, at + 15)] end
end
if stands then
  if tonumber(up_to) <= number then return number end
  under_way = under_way .. ARGV[5]
  redis.call('SET', KEYS[1], string.sub(mark, 1, 9) .. up_to .. (under_way ~= '' and ':' .. under_way or ''))
  return tonumber(up_to)
end
if up_to == '' then up_to = number >= 0 and said or '0' end
redis.call('SET', KEYS[1], ARGV[3] .. ':' .. up_to)
return -1
