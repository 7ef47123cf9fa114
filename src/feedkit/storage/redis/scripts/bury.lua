-- Puts a tombstone over a key, beside any that lie there: each is a token (8 bytes) and when it lapses (16 digits).
-- KEYS[1] the key   ARGV[1] token   ARGV[2] how long it lies, in ms
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
local held, lying = redis.pcall('GET', KEYS[1]), ''
if type(held) == 'string' and string.sub(held, 1, 1) == 'T' then
  for at = 2, string.len(held) - 23, 24 do
    if (tonumber(string.sub(held, at + 8, at + 23)) or 0) > now then lying = lying .. string.sub(held, at, at + 23) end
  end
end
local lapses = string.format('%016.0f', now + tonumber(ARGV[2]))
-- What is there goes first: a server that is full refuses a script at its first write alone.
redis.call('DEL', KEYS[1])
redis.call('SET', KEYS[1], 'T' .. lying .. ARGV[1] .. lapses, 'PX', ARGV[2])
return 1
