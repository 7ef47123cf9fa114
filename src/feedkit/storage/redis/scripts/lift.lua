-- Takes a tombstone away (with a number, one of several alike), and any value or lease that may be older than the change it was for.
-- KEYS[1] the key   ARGV[1] token   ARGV[2] values of at least this number stay; '' for none
local held = redis.pcall('GET', KEYS[1])
if not held then return 0 end
local kind = type(held) == 'string' and string.sub(held, 1, 1)
if kind == 'T' then
  local time = redis.call('TIME')
  local now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
  local lying, lifted = '', false
  for at = 2, string.len(held) - 23, 24 do
    if string.sub(held, at, at + 7) == ARGV[1] and not (lifted and ARGV[2] ~= '') then
      lifted = true
    elseif (tonumber(string.sub(held, at + 8, at + 23)) or 0) > now then
      lying = lying .. string.sub(held, at, at + 23)
    end
  end
  if lying ~= '' then
    redis.call('SET', KEYS[1], 'T' .. lying, 'KEEPTTL')
    return 1
  end
elseif (kind == 'V' or kind == 'N') and ARGV[2] ~= '' then
  local number = tonumber(string.sub(held, 10, 25))
  if number and number >= tonumber(ARGV[2]) then return 0 end
end
redis.call('DEL', KEYS[1])
return 1
