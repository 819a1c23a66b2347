--[[ readDevice   a device and its user's state.
  KEYS[1] root   KEYS[2] device
  returns { fields, user's state } | { } ]]
local fields = redis.call('HGETALL', KEYS[2])
if #fields == 0 then return {} end
return { fields, redis.call('HGET', KEYS[1] .. NAME.user .. redis.call('HGET', KEYS[2], 'u'), 's') }
