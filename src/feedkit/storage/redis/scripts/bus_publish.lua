-- Fills a partition: adds the events of a span that it lacks, as far as there is room.
-- KEYS[1] the stream, whose last id is "<mark>-0"   KEYS[2] a hash: '' the number of partitions, <group> its lease
-- ARGV[1] how many partitions   ARGV[2] before   ARGV[3] up to   ARGV[4] settled   ARGV[5] events it may hold
-- ARGV[6..] number and bytes of each event, in order
-- Gives the mark where it stands now, -1 for none; as a string the number of partitions that there are, if others.
local there = redis.call('HGET', KEYS[2], '')
if there and there ~= ARGV[1] then return there end
local before, up_to = tonumber(ARGV[2]), tonumber(ARGV[3])
local mark = -1
local is_there = redis.call('EXISTS', KEYS[1]) == 1
if is_there then
  local info = redis.call('XINFO', 'STREAM', KEYS[1])
  for at = 1, #info, 2 do
    if info[at] == 'last-generated-id' then mark = tonumber(string.match(info[at + 1], '^%d+')) end
  end
end
if mark < before and before > tonumber(ARGV[4]) then return mark end
if not there then redis.call('HSET', KEYS[2], '', ARGV[1]) end
if not is_there then
  redis.call('XGROUP', 'CREATE', KEYS[1], '-', '0', 'MKSTREAM')
  redis.call('XGROUP', 'DESTROY', KEYS[1], '-')
end
local room = tonumber(ARGV[5]) - redis.call('XLEN', KEYS[1])
for at = 6, #ARGV, 2 do
  local number = tonumber(ARGV[at])
  if number > mark then
    if room <= 0 then
      up_to = number - 1
      break
    end
    redis.call('XADD', KEYS[1], ARGV[at] .. '-0', 'e', ARGV[at + 1])
    mark, room = number, room - 1
  end
end
if up_to > mark then
  mark = up_to
  redis.call('XSETID', KEYS[1], string.format('%.0f-0', mark))
end
return mark
