-- How far a partition is filled, and how far some groups are in it.
-- KEYS[1] the stream   KEYS[2] a hash: '' the number of partitions, <group> "<fence>:<ms until when>"
-- ARGV[1..] of each group its name and the number above which it begins
-- Gives partitions (0 if it holds none), mark, events held; of each group handled, taken, 1 if it may fetch.
local found = {tonumber(redis.call('HGET', KEYS[2], '') or '0'), -1, 0}
local groups = {}
local function number_of(id) return tonumber(string.match(id, '^%d+')) end
if redis.call('EXISTS', KEYS[1]) == 1 then
  local info = redis.call('XINFO', 'STREAM', KEYS[1])
  for at = 1, #info, 2 do
    if info[at] == 'last-generated-id' then found[2] = number_of(info[at + 1]) end
  end
  found[3] = redis.call('XLEN', KEYS[1])
  for _, fields in ipairs(redis.call('XINFO', 'GROUPS', KEYS[1])) do
    local group = {}
    for at = 1, #fields, 2 do group[fields[at]] = fields[at + 1] end
    groups[group.name] = group
  end
end
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
for at = 1, #ARGV, 2 do
  local start, handled, taken, open = tonumber(ARGV[at + 1]), found[2], 0, 0
  if found[2] >= 0 then
    local group = groups[ARGV[at]]
    local last = group and number_of(group['last-delivered-id']) or start
    taken = group and group.pending or 0
    local following = redis.call('XRANGE', KEYS[1], string.format('(%.0f', last), '+', 'COUNT', 1)[1]
    if taken > 0 then
      handled = number_of(redis.call('XPENDING', KEYS[1], ARGV[at])[2]) - 1
    elseif following then
      handled = number_of(following[1]) - 1
    end
    local lease = redis.call('HGET', KEYS[2], ARGV[at])
    local held = lease and tonumber(string.match(lease, ':(%d+)$')) > now
    open = not held and (taken > 0 or following) and 1 or 0
  end
  found[#found + 1] = math.max(start, handled)
  found[#found + 1] = taken
  found[#found + 1] = open
end
return found
