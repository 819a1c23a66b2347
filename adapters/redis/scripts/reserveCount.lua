--[[ reserveCount   adds one to a counter of a fixed window unless its limit is reached.
  KEYS[1] counter
  ARGV[1] now, epoch ms   ARGV[2] limit   ARGV[3] window, ms
  returns { 1 allowed or 0, count, end of the window in epoch ms }
  Repeated: counts again, on the safe side. ]]
local count, resetAt = unpack(redis.call('HMGET', KEYS[1], 'n', 'r'))
local now = tonumber(ARGV[1])
if not resetAt or now >= tonumber(resetAt) then
  count, resetAt = 0, string.format('%.0f', now + tonumber(ARGV[3]))
  redis.call('HSET', KEYS[1], 'n', 0, 'r', resetAt)
  redis.call('PEXPIRE', KEYS[1], ARGV[3] + 3600000)
end
if tonumber(count) >= tonumber(ARGV[2]) then return { 0, tonumber(count), resetAt } end
return { 1, redis.call('HINCRBY', KEYS[1], 'n', 1), resetAt }
