--[[ readOperation   one operation.
  KEYS[1] root   KEYS[2] operation   KEYS[3] its body
  returns { body, fields } | { } ]]
--- @include hash
if redis.call('EXISTS', KEYS[2]) == 0 then return {} end
return { redis.call('GET', KEYS[3]), hash(KEYS[2]) }
