--[[ saveKeyRing   the slots of the master keys, in the place of their former version.
  KEYS[1] root   KEYS[2] key ring
  ARGV[1] version, one more than the one that it replaces   ARGV[2] all of it, JSON   ARGV[3] changes
  returns 1 saved, 0 the stored one has another version
  Repeated: 1, nothing is written again. ]]
--- @include changes
local found = redis.call('HMGET', KEYS[2], 'v', 'b')
if found[1] == ARGV[1] and found[2] == ARGV[2] then return 1 end
if tonumber(found[1] or '0') ~= tonumber(ARGV[1]) - 1 then return 0 end
redis.call('HSET', KEYS[2], 'v', ARGV[1], 'b', ARGV[2])
writeChanges(KEYS[1], ARGV[3])
return 1
