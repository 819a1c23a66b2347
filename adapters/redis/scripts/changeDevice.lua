--[[ changeDevice   changes a device's state if it is one of those that the caller names.
  KEYS[1] root   KEYS[2] device   KEYS[3] receipt
  ARGV[1] now, epoch ms   ARGV[2] device id   ARGV[3] states it may be in, JSON array   ARGV[4] new state
  ARGV[5] reason of a lock, '' for none   ARGV[6] receipt   ARGV[7] changes   ARGV[8] counter
  ARGV[9] event of each operation that ends with it (shared/ends.lua), '' for none
  returns { 'changed', fields, ids of closed operations } | { 'missing' } | { 'refused', state }
        | { 'repeated', outcome } | { 'message_reused' }
  Repeated: 'repeated' with a receipt, else 'refused' with the new state. ]]
--- @include operations
--- @include devices
--- @include receipts
--- @include changes
--- @include counter
--- @include ends
local root, device, now, to = KEYS[1], KEYS[2], tonumber(ARGV[1]), ARGV[4]
local before = replayed(KEYS[3], ARGV[6], now)
if before then return before end
local refusal = refusalOf(device, nil, ARGV[3])
if refusal then return refusal end

redis.call('HSET', device, 's', to)
-- keys that wait go with every change: whoever had them made may be why
redis.call('HDEL', device, 'lr', 'ro')
redis.call('HINCRBY', device, 'v', 1)
if ARGV[5] ~= '' then redis.call('HSET', device, 'lr', ARGV[5]) end
if to == 'active' then redis.call('HSET', device, 'fp', 0, 'fn', 0) end
if to == 'deactivated' then redis.call('HDEL', device, 'bx') end
local closed = to == 'active' and {} or endWithDevice(root, device, now, to, ARGV[9], cjson.decode(ARGV[7]).keepMs)
writeReceipt(KEYS[3], ARGV[6], now)
writeChanges(root, ARGV[7])
noteCounter(root, device, ARGV[8])
return { 'changed', redis.call('HGETALL', device), closed }
