-- Lists a large delivery no longer, if every chunk of it is done in this bucket, or if it is not listed.
-- KEYS[1] the mark   KEYS[2] the parts of the bucket
-- ARGV[1] the delivery   ARGV[2] how many chunks   ARGV[3] its entries, 16 bytes each
-- ARGV[4] entries of the others under way, which may be the same: what was taken away and comes back
-- Gives 1, or 0 where a chunk is not done here.
local mark = redis.call('GET', KEYS[1])
local colon = mark and string.find(mark, ':', 10, true)
local its, others, kept, listed, last = {}, {}, {}, false, tonumber(ARGV[2]) - 1
for at = 1, string.len(ARGV[3]), 16 do its[string.sub(ARGV[3], at, at + 15)] = true end
for at = 1, string.len(ARGV[4]), 16 do
  local entry = string.sub(ARGV[4], at, at + 15)
  others[entry] = (others[entry] or 0) + 1
end
for at = (colon or 0) + 1, colon and string.len(mark) or 0, 16 do
  local entry = string.sub(mark, at, at + 15)
  local left = others[entry] or 0
  if its[entry] and left == 0 then
    its[entry], listed = nil, true
  else
    others[entry], kept[#kept + 1] = left - 1, entry
  end
end
for nth = 0, listed and last or -1 do
  if redis.call('HGET', KEYS[2], ARGV[1] .. ':' .. nth) ~= 'done' then return 0 end
end
if listed then
  redis.call('SET', KEYS[1], string.sub(mark, 1, colon - 1) .. (#kept > 0 and ':' .. table.concat(kept) or ''))
end
for nth = 0, last do redis.call('HDEL', KEYS[2], ARGV[1] .. ':' .. nth) end
return 1
