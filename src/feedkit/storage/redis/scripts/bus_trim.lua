-- Drops events up to a number, yet none that a group of this partition has not acknowledged.
-- KEYS[1] the stream   ARGV[1] the number
-- Gives how many went.
if redis.call('EXISTS', KEYS[1]) == 0 then return 0 end
local lowest = tonumber(ARGV[1])
local function number_of(id) return tonumber(string.match(id, '^%d+')) end
for _, fields in ipairs(redis.call('XINFO', 'GROUPS', KEYS[1])) do
  local group = {}
  for at = 1, #fields, 2 do group[fields[at]] = fields[at + 1] end
  local handled = number_of(group['last-delivered-id'])
  if group.pending > 0 then handled = number_of(redis.call('XPENDING', KEYS[1], group.name)[2]) - 1 end
  lowest = math.min(lowest, handled)
end
return redis.call('XTRIM', KEYS[1], 'MINID', '=', string.format('%.0f', lowest + 1))
