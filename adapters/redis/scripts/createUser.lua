--[[ createUser   the second step of creating a user: the record that confirms its identifiers.
  KEYS[1] root   KEYS[2] user   KEYS[3] index of users
  ARGV[1] id   ARGV[2] fields, JSON array   ARGV[3] changes
  returns 1 written, 0 there already
  Repeated: 0, nothing is written again. ]]
--- @include changes
if redis.call('EXISTS', KEYS[2]) == 1 then return 0 end
redis.call('HSET', KEYS[2], unpack(cjson.decode(ARGV[2])))
redis.call('ZADD', KEYS[3], 0, ARGV[1])
writeChanges(KEYS[1], ARGV[3])
return 1
