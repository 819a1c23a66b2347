--[[ reserveCount   adds one to a counter of a fixed window unless its limit, or that of the share, is reached.
  KEYS[1] counter
  ARGV[1] now, epoch ms   ARGV[2] limit   ARGV[3] window, ms   optional: ARGV[4] whose share   ARGV[5] its limit
  returns { 1 allowed or 0, count, end of the window in epoch ms }
  Repeated: counts again, on the safe side. ]]
local share = ARGV[4] and 's:' .. ARGV[4]
local count, resetAt, shared = unpack(redis.call('HMGET', KEYS[1], 'n', 'r', share or 'n'))
local now = tonumber(ARGV[1])
if not resetAt or now >= tonumber(resetAt) then
  count, shared, resetAt = 0, 0, string.format('%.0f', now + tonumber(ARGV[3]))
  redis.call('DEL', KEYS[1])
  redis.call('HSET', KEYS[1], 'n', 0, 'r', resetAt)
  redis.call('PEXPIRE', KEYS[1], ARGV[3] + 3600000)
end
if tonumber(resetAt) > now + ARGV[3] then
  -- from before a clock was set back: nobody is stopped for longer than the window
  resetAt = string.format('%.0f', now + ARGV[3])
  redis.call('HSET', KEYS[1], 'r', resetAt)
  redis.call('PEXPIRE', KEYS[1], ARGV[3] + 3600000)
end
local isUsedUp = share and tonumber(shared or 0) >= tonumber(ARGV[5])
if isUsedUp or tonumber(count) >= tonumber(ARGV[2]) then return { 0, tonumber(count), resetAt } end
if share then redis.call('HINCRBY', KEYS[1], share, 1) end
return { 1, redis.call('HINCRBY', KEYS[1], 'n', 1), resetAt }
