-- Replaces the first elements of a timeline by one block, if its header is the very one that was read.
-- What was delivered meanwhile stands behind them and stays.
-- KEYS[1] the timeline   KEYS[2] the mark of its bucket
-- ARGV[1] identity of the header   ARGV[2] how many elements
-- ARGV[3] the block up to its epoch, which stays   ARGV[4] the block behind it
-- ARGV[5] new time to live in ms, 0 for none, -1 to leave it
-- Gives 1, or 0 where nothing was changed.
local head = redis.call('LINDEX', KEYS[1], 0)
if not head or string.sub(head, 1, 12) ~= ARGV[1] then return 0 end
local mark, epoch = redis.call('GET', KEYS[2]), string.sub(head, 13, 20)
if not mark or string.sub(mark, 1, 8) ~= epoch then return 0 end
local count = tonumber(ARGV[2])
if redis.call('LLEN', KEYS[1]) < count then return 0 end
-- The trim comes first: Redis refuses a script that is out of memory at its first write alone.
if count > 1 then redis.call('LTRIM', KEYS[1], count - 1, -1) end
redis.call('LSET', KEYS[1], 0, ARGV[3] .. epoch .. ARGV[4])
local ttl = tonumber(ARGV[5])
if ttl > 0 then redis.call('PEXPIRE', KEYS[1], ttl) elseif ttl == 0 then redis.call('PERSIST', KEYS[1]) end
return 1
