--[[ useOnce   single use of an id, until its end.
  KEYS[1] entry
  ARGV[1] now, epoch ms   ARGV[2] until, epoch ms   ARGV[3] lifetime of the entry, ms
  returns 1 first use, 0 used before
  Repeated: 0. ]]
local ends = redis.call('GET', KEYS[1])
if ends and tonumber(ARGV[1]) < tonumber(ends) then return 0 end
redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
return 1
