-- Has a timeline live on, if its header is the very one that was read; or ends it.
-- KEYS[1] the timeline   ARGV[1] identity of the header   ARGV[2] time to live in ms, 0 to end it now
local head = redis.call('LINDEX', KEYS[1], 0)
if not head or string.sub(head, 1, 12) ~= ARGV[1] then return 0 end
if tonumber(ARGV[2]) > 0 then return redis.call('PEXPIRE', KEYS[1], ARGV[2]) end
return redis.call('UNLINK', KEYS[1])
