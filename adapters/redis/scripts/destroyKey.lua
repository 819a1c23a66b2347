--[[ destroyKey   retired -> destroyed: erases the private half.
  KEYS[1] root   KEYS[2] table of keys
  ARGV[1] kid   ARGV[2] changes
  returns 1 erased, 0 not a retired key
  Repeated: 0. ]]
--- @include changes
local state = 's:' .. ARGV[1]
if redis.call('HGET', KEYS[2], state) ~= 'retired' then return 0 end
redis.call('HSET', KEYS[2], state, 'destroyed')
redis.call('HINCRBY', KEYS[2], 'v:' .. ARGV[1], 1)
redis.call('HDEL', KEYS[2], 'p:' .. ARGV[1])
writeChanges(KEYS[1], ARGV[2])
return 1
