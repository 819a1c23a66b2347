--[[ bindTicket   binds a pending registration to a key and writes the device, once.
  KEYS[1] root   KEYS[2] operation   KEYS[3] device   KEYS[4] list of the user's devices   KEYS[5] index of devices
  ARGV[1] now, epoch ms   ARGV[2] thumbprint   ARGV[3] device id   ARGV[4] device's fields, JSON array   ARGV[5] changes
  returns { 'bound' } | { 'again', device id, device's fields } | { 'bound_to_other' } | { 'missing' } | { 'closed' }
  Repeated with the same thumbprint: 'again'. ]]
--- @include operations
--- @include changes
--- @include boxes
local root, operation, now = KEYS[1], KEYS[2], tonumber(ARGV[1])
if redis.call('HGET', operation, 'k') ~= 'registration' then return { 'missing' } end
if not isPending(operation, now) then return { 'closed' } end

local boundTo, deviceId = unpack(redis.call('HMGET', operation, 'tb', 'td'))
if boundTo and boundTo ~= ARGV[2] then return { 'bound_to_other' } end
if boundTo then return { 'again', deviceId, redis.call('HGETALL', root .. NAME.device .. deviceId) } end

redis.call('HSET', operation, 'tb', ARGV[2], 'td', ARGV[3])
redis.call('HINCRBY', operation, 'v', 1)
redis.call('HSET', KEYS[3], unpack(cjson.decode(ARGV[4])))
redis.call('RPUSH', KEYS[4], ARGV[3])
redis.call('ZADD', KEYS[5], 0, ARGV[3])
redis.call('ZADD', root .. NAME.garbage, redis.call('HGET', operation, 'r'), 'd' .. ARGV[3])
indexBox(root, KEYS[3])
writeChanges(root, ARGV[5])
return { 'bound' }
