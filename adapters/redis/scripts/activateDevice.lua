--[[ activateDevice   pending -> active with its ticket pending -> approved, under the enrollment mode, once.
  KEYS[1] root   KEYS[2] device   KEYS[3] its registration operation   KEYS[4] list of the user's devices   KEYS[5] receipt
  ARGV[1] now, epoch ms   ARGV[2] version it must have   ARGV[3] device id   ARGV[4] operation id   ARGV[5] counter
  ARGV[6] 'single' | 'override' | 'multiple'   ARGV[7] fields to set, JSON array   ARGV[8] fields to remove, JSON array
  ARGV[9] replaced event, JSON text from after the brace
  ARGV[10] its operation's key part, its user's, its at, and where it is a notice: until when, '' for the outbox as well; JSON array
  ARGV[11] receipt   ARGV[12] changes
  ARGV[13] event of each operation that ends with a replaced device (shared/ends.lua), '' for none
  returns { 'activated', fields, replaced ids } | { 'conflict', device id } | { 'stale' } | { 'missing' } | { 'refused', state }
        | { 'operation_closed' } | { 'repeated', outcome } | { 'message_reused' }
  Repeated: 'repeated' with a receipt, else 'refused'. ]]
--- @include operations
--- @include devices
--- @include receipts
--- @include changes
--- @include counter
--- @include ends
local root, device, now, id = KEYS[1], KEYS[2], tonumber(ARGV[1]), ARGV[3]
local before = replayed(KEYS[5], ARGV[11], now)
if before then return before end
local refusal = refusalOf(device, ARGV[2], '["pending"]')
if refusal then return refusal end
if not isPending(KEYS[3], now) then return { 'operation_closed' } end

local others = {}
local application = redis.call('HGET', device, 'a')
for _, other in ipairs(redis.call('LRANGE', KEYS[4], 0, -1)) do
  local state, of = unpack(redis.call('HMGET', root .. NAME.device .. other, 's', 'a'))
  if other ~= id and of == application and (state == 'active' or state == 'locked') then others[#others + 1] = other end
end
if ARGV[6] == 'single' and #others > 0 then return { 'conflict', others[1] } end
if ARGV[6] ~= 'override' then others = {} end

local keepMs = cjson.decode(ARGV[12]).keepMs
local about = cjson.decode(ARGV[10])
for _, other in ipairs(others) do
  local key = root .. NAME.device .. other
  redis.call('HSET', key, 's', 'deactivated')
  redis.call('HDEL', key, 'lr', 'bx', 'ro')
  redis.call('HINCRBY', key, 'v', 1)
  endWithDevice(root, key, now, 'deactivated', ARGV[13], keepMs)
  local event = string.format('{"id":"%s.device.replaced","deviceId":"%s",', other, other) .. ARGV[9]
  local outside = about[5] and other .. '.device.replaced'
  writeEvents(root, { { event, about[1], about[2], about[3], about[4], outside } }, keepMs)
end

replaceDevice(device, ARGV[7], ARGV[8])
redis.call('HSET', device, 's', 'active', 'at', ARGV[1])
endOperation(root, ARGV[4], 'approved', now)
writeReceipt(KEYS[5], ARGV[11], now)
writeChanges(root, ARGV[12])
noteCounter(root, device, ARGV[5])
return { 'activated', redis.call('HGETALL', device), others }
