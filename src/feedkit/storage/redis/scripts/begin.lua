-- Puts the header of a build in place of a timeline that is missing or of an older epoch.
-- KEYS[1] the timeline   KEYS[2] the mark of its bucket
-- ARGV[1] how a header begins, up to its version   ARGV[2] token   ARGV[3] what follows the epoch
-- ARGV[4] lease in ms    ARGV[5] an epoch to begin with where there is no mark
-- Gives the epoch, or false where the timeline is whole or others build it. The same again changes nothing.
local mark = redis.call('GET', KEYS[2])
if not mark or not string.find(mark, '^:%d', 9) then
  mark = ARGV[5] .. ':0'
  redis.call('SET', KEYS[2], mark)
end
local epoch = string.sub(mark, 1, 8)
local head = redis.pcall('LINDEX', KEYS[1], 0)
if type(head) == 'string' and string.sub(head, 1, 3) == ARGV[1] and string.sub(head, 13, 20) == epoch then
  return string.sub(head, 4, 12) == 'B' .. ARGV[2] and epoch
end
redis.call('DEL', KEYS[1])
redis.call('RPUSH', KEYS[1], ARGV[1] .. 'B' .. ARGV[2] .. epoch .. ARGV[3])
redis.call('PEXPIRE', KEYS[1], ARGV[4])
return epoch
