--[[ reserveProof   counts a try of a device's PIN before a proof is looked at.
  KEYS[1] root   KEYS[2] device   KEYS[3] receipt   KEYS[4] mark of the message
  ARGV[1] now, epoch ms   ARGV[2] receipt with the message's hash   ARGV[3] limit pin   ARGV[4] limit of the PIN key's life
  ARGV[5] lifetime of the mark, ms   ARGV[6] the PIN key as read, '' for none
  returns { 'reserved' | 'again', pin, number, pinLifetime } | { 'exhausted', 'pin' | 'pin_lifetime' } | { 'refused', state }
        | { 'stale' } | { 'missing' } | { 'repeated', outcome } | { 'message_reused' }
  Repeated with the same message: 'again', nothing is counted twice. ]]
--- @include receipts
local device = KEYS[2]
local before = replayed(KEYS[3], ARGV[2], tonumber(ARGV[1]))
if before then return before end
local state, pin, number, lifetime = unpack(redis.call('HMGET', device, 's', 'fp', 'fn', 'fl'))
if not state then return { 'missing' } end
if state ~= 'active' then return { 'refused', state } end
if (redis.call('HGET', device, 'pk') or '') ~= ARGV[6] then return { 'stale' } end
if redis.call('EXISTS', KEYS[4]) == 1 then
  return { 'again', tonumber(pin), tonumber(number), tonumber(lifetime) }
end
if tonumber(pin) >= tonumber(ARGV[3]) then return { 'exhausted', 'pin' } end
if tonumber(lifetime) >= tonumber(ARGV[4]) then return { 'exhausted', 'pin_lifetime' } end

redis.call('SET', KEYS[4], '', 'PX', ARGV[5])
return { 'reserved', redis.call('HINCRBY', device, 'fp', 1), tonumber(number), redis.call('HINCRBY', device, 'fl', 1) }
