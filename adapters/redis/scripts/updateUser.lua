--[[ updateUser   replaces a user's record; the state stays as stored.
  KEYS[1] root   KEYS[2] user
  ARGV[1] version it must have   ARGV[2] fields to set, JSON array   ARGV[3] changes
  returns { 'updated', fields } | { 'stale' } | { 'missing' }
  Repeated: 'stale'. ]]
--- @include changes
local user = KEYS[2]
local version = redis.call('HGET', user, 'v')
if not version then return { 'missing' } end
if version ~= ARGV[1] then return { 'stale' } end
redis.call('HSET', user, unpack(cjson.decode(ARGV[2])))
redis.call('HINCRBY', user, 'v', 1)
writeChanges(KEYS[1], ARGV[3])
return { 'updated', redis.call('HGETALL', user) }
