--[[ appendNotification   one line in the delivery log of a client, which is kept short.
  KEYS[1] the client's log
  ARGV[1] line, JSON   ARGV[2] at most so many are kept   ARGV[3] those until then, epoch ms, are over
  ARGV[4] time to live after this line, ms
  returns 1, 0 if the line is there
  Repeated: 0, nothing is written again. ]]
local log, keep, over = KEYS[1], tonumber(ARGV[2]), tonumber(ARGV[3])
if redis.call('ZSCORE', log, ARGV[1]) then return 0 end
local newest = redis.call('ZRANGE', log, -1, -1, 'WITHSCORES')
local number = (tonumber(newest[2]) or 0) + 1
redis.call('ZADD', log, number, ARGV[1])
redis.call('PEXPIRE', log, ARGV[4])
redis.call('ZREMRANGEBYSCORE', log, '-inf', number - keep)
-- more than one each time, so that a log which was busy once becomes short again
for _, line in ipairs(redis.call('ZRANGE', log, 0, 9)) do
  if cjson.decode(line).at > over then break end
  redis.call('ZREM', log, line)
end
return 1
