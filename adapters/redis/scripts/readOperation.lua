--[[ readOperation   one operation.
  KEYS[1] root   KEYS[2] operation   KEYS[3] its body
  returns { body, fields } | { } ]]
local fields = redis.call('HGETALL', KEYS[2])
if #fields == 0 then return {} end
return { redis.call('GET', KEYS[3]), fields }
