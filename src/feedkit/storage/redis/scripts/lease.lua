-- Gives what is cached under a key, or leases the key to the caller if nothing is.
-- KEYS[1] the key   KEYS[2] the mark of its bucket
-- ARGV[1] token of the lease   ARGV[2] how long it stands, in ms   ARGV[3] values of a lower number are outdated
-- ARGV[4] an epoch to begin with where there is no mark
-- Gives what stands there, or the lease itself: 'L' with the epoch and the token.
local mark = redis.call('GET', KEYS[2])
if not mark or not string.find(mark, '^:%d', 9) then
  mark = ARGV[4] .. ':0'
  redis.call('SET', KEYS[2], mark)
end
local epoch, held = string.sub(mark, 1, 8), redis.pcall('GET', KEYS[1])
if type(held) == 'string' then
  local kind = string.sub(held, 1, 1)
  if kind == 'T' then return held end
  if string.sub(held, 2, 9) == epoch then
    if kind == 'L' then return held end
    local number = (kind == 'V' or kind == 'N') and tonumber(string.match(string.sub(held, 10, 25), '^%d+$'))
    if number and number >= tonumber(ARGV[3]) then return held end
  end
end
local lease = 'L' .. epoch .. ARGV[1]
redis.call('SET', KEYS[1], lease, 'PX', ARGV[2])
return lease
