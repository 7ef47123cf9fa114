-- Counts what a turn has brought to a bucket, behind the deliveries themselves.
-- KEYS[1] the step of the bucket   ARGV[1] the step before, '' for the first of a turn   ARGV[2] this one
-- Gives 1, or 0 where another turn has begun, or the server was set back since.
local held = redis.call('GET', KEYS[1])
if ARGV[1] ~= '' and held ~= ARGV[1] and held ~= ARGV[2] then return 0 end
redis.call('SET', KEYS[1], ARGV[2])
return 1
