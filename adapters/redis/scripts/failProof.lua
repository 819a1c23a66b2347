--[[ failProof   a reserved try of a device's PIN failed: receipt, events, and what follows for the device.
  KEYS[1] root   KEYS[2] device   KEYS[3] receipt
  ARGV[1] now, epoch ms   ARGV[2] reason to lock the device, '' for no lock   ARGV[3] receipt   ARGV[4] changes   ARGV[5] counter
  ARGV[6] device id   ARGV[7] event of each operation that ends with the lock (shared/ends.lua), '' for none
  ARGV[8] what the consequences were drawn from: numbers as below, JSON array, '' for whatever holds
  returns { 'recorded' } | { 'changed', pin, number, pinLifetime, tries of the PIN under way for other messages }
        | { 'missing' } | { 'repeated', outcome } | { 'message_reused' }
  Repeated: 'repeated'. ]]
--- @include receipts
--- @include changes
--- @include counter
--- @include pin
--- @include tries
local root, device, now = KEYS[1], KEYS[2], tonumber(ARGV[1])
local before = replayed(KEYS[3], ARGV[3], now)
if before then return before end
if redis.call('EXISTS', device) == 0 then return { 'missing' } end
local tries, on = triesOf(root, redis.call('HGET', device, 'u')), { 'p' .. ARGV[6] }
local message = cjson.decode(ARGV[3]).jwsHash
local pin, number, lifetime = unpack(redis.call('HMGET', device, 'fp', 'fn', 'fl'))
local holds = { tonumber(pin), tonumber(number), tonumber(lifetime), othersUnderWay(tries, on, message, now)[1] }
if ARGV[8] ~= '' and table.concat(holds, ' ') ~= table.concat(cjson.decode(ARGV[8]), ' ') then
  return { 'changed', unpack(holds) }
end
endTry(tries, on, message)
if ARGV[2] ~= '' then lockDevice(root, device, ARGV[2], now, ARGV[7], cjson.decode(ARGV[4]).keepMs) end
writeReceipt(KEYS[3], ARGV[3], now)
writeChanges(root, ARGV[4])
noteCounter(root, device, ARGV[5])
return { 'recorded' }
