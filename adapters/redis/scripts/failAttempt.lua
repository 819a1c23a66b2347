--[[ failAttempt   a reserved try failed: receipt, events, and what follows for operation and device.
  KEYS[1] root   KEYS[2] operation   KEYS[3] device   KEYS[4] receipt
  ARGV[1] now, epoch ms   ARGV[2] operation id   ARGV[3] '1' to end the operation
  ARGV[4] reason to lock the device, '' for no lock   ARGV[5] receipt   ARGV[6] changes   ARGV[7] counter
  returns { 'recorded', id, body, fields } | { 'missing' } | { 'repeated', outcome } | { 'message_reused' }
  Repeated: 'repeated'. ]]
--- @include operations
--- @include receipts
--- @include changes
--- @include counter
--- @include pin
local root, operation, device, now = KEYS[1], KEYS[2], KEYS[3], tonumber(ARGV[1])
local before = replayed(KEYS[4], ARGV[5], now)
if before then return before end
local owner = redis.call('HGET', operation, 'u')
if not owner or owner ~= redis.call('HGET', device, 'u') then return { 'missing' } end

if ARGV[3] == '1' and isPending(operation, now) then endOperation(root, ARGV[2], 'failed', now, 'attempts') end
if ARGV[4] ~= '' then lockDevice(device, ARGV[4]) end
writeReceipt(KEYS[4], ARGV[5], now)
writeChanges(root, ARGV[6])
noteCounter(root, device, ARGV[7])
return { 'recorded', unpack(readOperation(root, ARGV[2])) }
