--[[ reserveProof   counts a try of a device's PIN before a proof is looked at.
  KEYS[1] root   KEYS[2] device   KEYS[3] receipt   KEYS[4] mark of the message
  ARGV[1] now, epoch ms   ARGV[2] receipt with the message's hash   ARGV[3] limit pin   ARGV[4] limit of the PIN key's life
  ARGV[5] lifetime of the mark, ms   ARGV[6] the PIN key as read, '' for none
  ARGV[7] device id   ARGV[8] lease, ms: so long the try is under way
  returns { 'reserved' | 'again' | 'exhausted', 'pin' | 'pin_lifetime' of what is exhausted or '',
            pin, number, pinLifetime, tries of the PIN under way for other messages }
        | { 'refused', state } | { 'stale' } | { 'missing' } | { 'repeated', outcome } | { 'message_reused' }
  Repeated with the same message: 'again', nothing is counted twice. ]]
--- @include receipts
--- @include tries
local root, device, now = KEYS[1], KEYS[2], tonumber(ARGV[1])
local before = replayed(KEYS[3], ARGV[2], now)
if before then return before end
local state, pin, lifetime, user = unpack(redis.call('HMGET', device, 's', 'fp', 'fl', 'u'))
if not state then return { 'missing' } end
if state ~= 'active' then return { 'refused', state } end
if (redis.call('HGET', device, 'pk') or '') ~= ARGV[6] then return { 'stale' } end
local tries, on, message = triesOf(root, user), { 'p' .. ARGV[7] }, cjson.decode(ARGV[2]).jwsHash
local function answer(result, which)
  local p, n, l = unpack(redis.call('HMGET', device, 'fp', 'fn', 'fl'))
  return { result, which, tonumber(p), tonumber(n), tonumber(l), othersUnderWay(tries, on, message, now)[1] }
end

if redis.call('EXISTS', KEYS[4]) == 1 then
  beginTry(tries, on, message, now, tonumber(ARGV[8]))
  return answer('again', '')
end
if tonumber(pin) >= tonumber(ARGV[3]) then return answer('exhausted', 'pin') end
if tonumber(lifetime) >= tonumber(ARGV[4]) then return answer('exhausted', 'pin_lifetime') end

redis.call('SET', KEYS[4], '', 'PX', ARGV[5])
redis.call('HINCRBY', device, 'fp', 1)
redis.call('HINCRBY', device, 'fl', 1)
beginTry(tries, on, message, now, tonumber(ARGV[8]))
return answer('reserved', '')
