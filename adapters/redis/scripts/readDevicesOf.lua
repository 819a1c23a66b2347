--[[ readDevicesOf   a user's devices in the order in which they came.
  KEYS[1] root   KEYS[2] list of the user's devices
  returns array of { id, fields } ]]
--- @include hash
local found = {}
for i, id in ipairs(redis.call('LRANGE', KEYS[2], 0, -1)) do
  found[i] = { id, hash(KEYS[1] .. NAME.device .. id) }
end
return found
