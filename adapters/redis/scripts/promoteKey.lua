--[[ promoteKey   next -> current; the key that was current retires.
  KEYS[1] root   KEYS[2] table of keys
  ARGV[1] kid   ARGV[2] kid that it replaces, '' for none   ARGV[3] now, epoch ms   ARGV[4] changes
  returns 1 promoted, 0 it does not wait, or another one is current
  Repeated: 0. ]]
--- @include changes
local keys, kid = KEYS[2], ARGV[1]
if redis.call('HGET', keys, 's:' .. kid) ~= 'next' then return 0 end
local body = cjson.decode(redis.call('HGET', keys, 'b:' .. kid))
local slot = body.use .. ':' .. body.alg
local current = redis.call('HGET', keys, 'c:' .. slot) or ''
if current ~= ARGV[2] then return 0 end
if current ~= '' then
  redis.call('HSET', keys, 's:' .. current, 'retired', 'r:' .. current, ARGV[3])
  redis.call('HINCRBY', keys, 'v:' .. current, 1)
end
redis.call('HSET', keys, 's:' .. kid, 'current', 'a:' .. kid, ARGV[3], 'c:' .. slot, kid)
redis.call('HINCRBY', keys, 'v:' .. kid, 1)
redis.call('HDEL', keys, 'n:' .. slot)
writeChanges(KEYS[1], ARGV[4])
return 1
