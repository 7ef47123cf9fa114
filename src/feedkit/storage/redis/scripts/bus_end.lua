-- Ends a lease: acknowledges what was handled, puts back how often the rest had been tried, and lets it rest.
-- KEYS[1] the stream   KEYS[2] a hash: <group> "<fence>:<ms until when>"
-- ARGV[1] group   ARGV[2] fence   ARGV[3] ms of rest   ARGV[4] how many were handled   ARGV[5..] their numbers,
-- and behind them number and tries of each that is put back
-- Gives 1, or 0 and nothing is changed where the fence is another one by now.
local group, handled = ARGV[1], tonumber(ARGV[4])
local lease = redis.call('HGET', KEYS[2], group)
if not lease or string.match(lease, '^(.*):%d+$') ~= ARGV[2] then return 0 end
if redis.call('EXISTS', KEYS[1]) == 0 then return 0 end
for at = 5, 4 + handled do redis.call('XACK', KEYS[1], group, ARGV[at] .. '-0') end
for at = 5 + handled, #ARGV, 2 do
  redis.call('XCLAIM', KEYS[1], group, 'worker', 0, ARGV[at] .. '-0', 'RETRYCOUNT', ARGV[at + 1], 'JUSTID')
end
if ARGV[3] == '0' then
  redis.call('HDEL', KEYS[2], group)
else
  local time = redis.call('TIME')
  local now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
  redis.call('HSET', KEYS[2], group, string.format(':%.0f', now + tonumber(ARGV[3])))
end
return 1
