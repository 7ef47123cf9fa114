-- Forgets a group in a partition.
-- KEYS[1] the stream   KEYS[2] a hash: <group> its lease   ARGV[1] group
-- Gives 1, or 0 where it was not known.
redis.call('HDEL', KEYS[2], ARGV[1])
if redis.call('EXISTS', KEYS[1]) == 0 then return 0 end
return redis.call('XGROUP', 'DESTROY', KEYS[1], ARGV[1])
