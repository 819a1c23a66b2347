--[[ changeUser   changes a user's state if it is one of those that the caller names.
  KEYS[1] root   KEYS[2] user
  ARGV[1] now, epoch ms   ARGV[2] user id   ARGV[3] states it may be in, JSON array   ARGV[4] new state
  ARGV[5] '1' to cancel what is pending   ARGV[6] changes
  returns { 'changed', fields, ids of closed operations } | { 'missing' } | { 'refused', state }
  Repeated: 'refused' with the new state. ]]
--- @include operations
--- @include changes
local root, user, now = KEYS[1], KEYS[2], tonumber(ARGV[1])
local state = redis.call('HGET', user, 's')
if not state then return { 'missing' } end
local allowed = false
for _, one in ipairs(cjson.decode(ARGV[3])) do allowed = allowed or one == state end
if not allowed then return { 'refused', state } end
redis.call('HSET', user, 's', ARGV[4], 'up', ARGV[1])
redis.call('HINCRBY', user, 'v', 1)
local closed = ARGV[5] == '1' and cancelPending(root, ARGV[2], now, 'user_deactivated') or {}
writeChanges(root, ARGV[6])
return { 'changed', redis.call('HGETALL', user), closed }
