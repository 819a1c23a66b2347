--[[ saveClient   a registered client, new or in the place of its former version; counts the change.
  KEYS[1] root   KEYS[2] client   KEYS[3] index of ids   KEYS[4] number of changes of all clients
  ARGV[1] id   ARGV[2] version that it replaces, 0 for a new one   ARGV[3] version   ARGV[4] client, JSON   ARGV[5] changes
  returns { 'saved' } | { 'exists' } | { 'stale' } | { 'missing' }
  Repeated: 'saved', nothing is written again. ]]
--- @include changes
local found = redis.call('HMGET', KEYS[2], 'v', 'b')
local version, body = found[1], found[2]
if version == ARGV[3] and body == ARGV[4] then return { 'saved' } end
if ARGV[2] == '0' then
  if version then return { 'exists' } end
else
  if not version then return { 'missing' } end
  if version ~= ARGV[2] then return { 'stale' } end
end
redis.call('HSET', KEYS[2], 'v', ARGV[3], 'b', ARGV[4])
redis.call('ZADD', KEYS[3], 0, ARGV[1])
redis.call('INCR', KEYS[4])
writeChanges(KEYS[1], ARGV[5])
return { 'saved' }
