--[[ readForDevice   operation, device, the device's user, and the receipt of one message.
  KEYS[1] root   KEYS[2] operation   KEYS[3] its body   KEYS[4] device   KEYS[5] receipt (root where none is asked for)
  returns { body or false, operation's fields, device's fields, user's fields, receipt's fields } ]]
--- @include hash
local root = KEYS[1]
-- never the operation's: that one may be somebody else's
local owner = redis.call('HGET', KEYS[4], 'u')
local user = owner and hash(root .. NAME.user .. owner) or NO_HASH
local receipt = KEYS[5] == root and NO_HASH or hash(KEYS[5])
return { redis.call('GET', KEYS[3]), hash(KEYS[2]), hash(KEYS[4]), user, receipt }
