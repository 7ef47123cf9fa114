-- Takes the turn to deliver, keeps it, or gives it back.
-- KEYS[1] the turn   ARGV[1] token of whoever asks   ARGV[2] for how many ms, 0 to give it back
-- Gives 1, or 0 where it is somebody else's.
local held = redis.call('GET', KEYS[1])
if held and held ~= ARGV[1] then return 0 end
if tonumber(ARGV[2]) > 0 then redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2]) else redis.call('DEL', KEYS[1]) end
return 1
