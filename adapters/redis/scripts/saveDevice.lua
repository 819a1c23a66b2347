--[[ saveDevice   replaces a device's record; state, lock reason, failures and owner stay as stored.
  KEYS[1] root   KEYS[2] device   KEYS[3] receipt
  ARGV[1] now, epoch ms   ARGV[2] version it must have   ARGV[3] states it may be in, JSON array
  ARGV[4] fields to set, JSON array   ARGV[5] fields to remove, JSON array   ARGV[6] receipt   ARGV[7] changes
  returns { 'saved', fields } | { 'stale' } | { 'missing' } | { 'refused', state } | { 'repeated', outcome } | { 'message_reused' }
  Repeated: 'repeated' with a receipt, else 'stale'. ]]
--- @include devices
--- @include receipts
--- @include changes
local device, now = KEYS[2], tonumber(ARGV[1])
local before = replayed(KEYS[3], ARGV[6], now)
if before then return before end
local refusal = refusalOf(device, ARGV[2], ARGV[3])
if refusal then return refusal end
replaceDevice(device, ARGV[4], ARGV[5])
writeReceipt(KEYS[3], ARGV[6], now)
writeChanges(KEYS[1], ARGV[7])
return { 'saved', redis.call('HGETALL', device) }
