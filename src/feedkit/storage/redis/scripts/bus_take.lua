-- Leases a partition to a worker of a group: with what was abandoned in it, else with what comes next.
-- KEYS[1] the stream   KEYS[2] a hash: <group> "<fence>:<ms until when>"
-- ARGV[1] group   ARGV[2] fence   ARGV[3] number above which a new group begins   ARGV[4] at most so many events
-- ARGV[5] ms that the lease lasts
-- Gives the how-manieth time this is for these events, and the bytes of each; nothing where somebody else has the
-- lease, or nothing waits.
local group, fence, limit = ARGV[1], ARGV[2], tonumber(ARGV[4])
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
local lease = redis.call('HGET', KEYS[2], group)
if lease then
  local holder, till = string.match(lease, '^(.*):(%d+)$')
  if tonumber(till) > now and holder ~= fence then return {} end
end
if redis.call('EXISTS', KEYS[1]) == 0 then return {} end
local is_known = false
for _, fields in ipairs(redis.call('XINFO', 'GROUPS', KEYS[1])) do
  for at = 1, #fields, 2 do is_known = is_known or fields[at] == 'name' and fields[at + 1] == group end
end
if not is_known then redis.call('XGROUP', 'CREATE', KEYS[1], group, ARGV[3] .. '-0') end
local entries, tries = {}, 1
local pending = redis.call('XPENDING', KEYS[1], group, '-', '+', limit)
if #pending > 0 then
  -- What was tried before comes alone, so that it brings down nothing but itself.
  local count = 1
  if pending[1][4] == 0 then
    while pending[count + 1] and pending[count + 1][4] == 0 do count = count + 1 end
  end
  tries = pending[1][4] + 1
  entries = redis.call('XAUTOCLAIM', KEYS[1], group, 'worker', 0, '0-0', 'COUNT', count)[2]
  for nth = 1, count do
    if not entries[nth] then -- a stranger has trimmed what was not handled: all of it comes back from the log
      redis.call('UNLINK', KEYS[1], KEYS[2])
      return {}
    end
  end
else
  local read = redis.call('XREADGROUP', 'GROUP', group, 'worker', 'COUNT', limit, 'STREAMS', KEYS[1], '>')
  entries = read and read[1][2] or {}
end
if #entries == 0 then return {} end
redis.call('HSET', KEYS[2], group, string.format('%s:%.0f', fence, now + tonumber(ARGV[5])))
local found = {tries}
for nth, entry in ipairs(entries) do found[nth + 1] = entry[2][2] end
return found
