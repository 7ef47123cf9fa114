-- Adds notes of removal behind a timeline that exists, unless whoever sends them has been replaced: they may come late.
-- KEYS[1] the timeline   KEYS[2] the step of its bucket, or the parts
-- ARGV[1] which part, '' for the step   ARGV[2] the step that has to stand   ARGV[3..] notes
-- Gives its length, 0 where nothing was added.
local held
if ARGV[1] == '' then held = redis.call('GET', KEYS[2]) else held = redis.call('HGET', KEYS[2], ARGV[1]) end
if held ~= ARGV[2] then return 0 end
local length = redis.pcall('RPUSHX', KEYS[1], unpack(ARGV, 3))
return type(length) == 'number' and length or 0
