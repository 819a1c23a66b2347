--[[ failProof   a reserved try of a device's PIN failed: receipt, events, and what follows for the device.
  KEYS[1] root   KEYS[2] device   KEYS[3] receipt
  ARGV[1] now, epoch ms   ARGV[2] reason to lock the device, '' for no lock   ARGV[3] receipt   ARGV[4] changes   ARGV[5] counter
  returns { 'recorded' } | { 'missing' } | { 'repeated', outcome } | { 'message_reused' }
  Repeated: 'repeated'. ]]
--- @include receipts
--- @include changes
--- @include counter
--- @include pin
local root, device, now = KEYS[1], KEYS[2], tonumber(ARGV[1])
local before = replayed(KEYS[3], ARGV[3], now)
if before then return before end
if redis.call('EXISTS', device) == 0 then return { 'missing' } end
if ARGV[2] ~= '' then lockDevice(device, ARGV[2]) end
writeReceipt(KEYS[3], ARGV[3], now)
writeChanges(root, ARGV[4])
noteCounter(root, device, ARGV[5])
return { 'recorded' }
