-- Puts a value where a lease stands, or gives the lease back.
-- KEYS[1] the key   ARGV[1] token of the lease   ARGV[2] 'V', 'N' for nothing there, or '' to give it back
-- ARGV[3] number and value   ARGV[4] time to live in ms
-- Gives 1, or 0 where the lease does not stand any more.
local held = redis.pcall('GET', KEYS[1])
if type(held) ~= 'string' or string.sub(held, 1, 1) ~= 'L' or string.sub(held, 10, 17) ~= ARGV[1] then return 0 end
if ARGV[2] == '' then
  redis.call('DEL', KEYS[1])
else
  redis.call('SET', KEYS[1], ARGV[2] .. string.sub(held, 2, 9) .. ARGV[3], 'PX', ARGV[4])
end
return 1
