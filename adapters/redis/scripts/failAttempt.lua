--[[ failAttempt   a reserved try failed: receipt, events, and what follows for operation and device.
  KEYS[1] root   KEYS[2] operation   KEYS[3] device   KEYS[4] receipt
  ARGV[1] now, epoch ms   ARGV[2] operation id   ARGV[3] '1' to end the operation
  ARGV[4] reason to lock the device, '' for no lock   ARGV[5] receipt   ARGV[6] changes   ARGV[7] counter
  ARGV[8] device id   ARGV[9] event of each operation that ends with the lock (shared/ends.lua), '' for none
  ARGV[10] what the consequences were drawn from: numbers as below, JSON array, '' for whatever holds
  returns { 'recorded', id, body, fields }
        | { 'changed', used, max, pin, number, pinLifetime, and of them under way for other messages: operation, pin, number }
        | { 'missing' } | { 'repeated', outcome } | { 'message_reused' }
  Repeated: 'repeated'. ]]
--- @include operations
--- @include receipts
--- @include changes
--- @include counter
--- @include pin
--- @include tally
local root, operation, device, now = KEYS[1], KEYS[2], KEYS[3], tonumber(ARGV[1])
local before = replayed(KEYS[4], ARGV[5], now)
if before then return before end
local owner = redis.call('HGET', operation, 'u')
if not owner or owner ~= redis.call('HGET', device, 'u') then return { 'missing' } end

local message, deviceId = cjson.decode(ARGV[5]).jwsHash, ARGV[8]
local holds = tallyOf(root, operation, ARGV[2], device, deviceId, message, now)
if ARGV[10] ~= '' and table.concat(holds, ' ') ~= table.concat(cjson.decode(ARGV[10]), ' ') then
  return { 'changed', unpack(holds) }
end

endTry(triesOf(root, owner), { 'o' .. ARGV[2], 'p' .. deviceId, 'n' .. deviceId }, message)
if ARGV[3] == '1' and isPending(operation, now) then endOperation(root, ARGV[2], 'failed', now, 'attempts') end
if ARGV[4] ~= '' then lockDevice(root, device, ARGV[4], now, ARGV[9], cjson.decode(ARGV[6]).keepMs) end
writeReceipt(KEYS[4], ARGV[5], now)
writeChanges(root, ARGV[6])
noteCounter(root, device, ARGV[7])
return { 'recorded', unpack(readOperation(root, ARGV[2])) }
