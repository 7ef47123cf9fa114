-- Counts what a chunk of a large delivery has brought to a bucket, behind the deliveries themselves.
-- KEYS[1] the parts of the bucket   ARGV[1] which chunk: "<delivery>:<nth>"
-- ARGV[2] the step before, '' for the first   ARGV[3] this one, "done" for the last   ARGV[4] for how many ms they stand
-- Gives 1, or 0 where somebody else has begun the same chunk, or the server was set back since.
local held = redis.call('HGET', KEYS[1], ARGV[1])
if ARGV[2] ~= '' and held ~= ARGV[2] and held ~= ARGV[3] then return 0 end
redis.call('HSET', KEYS[1], ARGV[1], ARGV[3])
redis.call('PEXPIRE', KEYS[1], ARGV[4])
return 1
