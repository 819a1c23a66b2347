--[[ reserveAttempt   counts a try on operation and device before anything is verified.
  KEYS[1] root   KEYS[2] operation   KEYS[3] device
  ARGV[1] now, epoch ms   ARGV[2] hash of the message   ARGV[3] '1' where the PIN counts   ARGV[4] '1' where the number counts
  ARGV[5] limit pin       ARGV[6] limit number          ARGV[7] limit of the PIN key's life
  returns { 'reserved' | 'again', used, max, pin, number, pinLifetime }
        | { 'exhausted', 'operation' | 'pin' | 'number' | 'pin_lifetime' } | { 'closed', state } | { 'missing' }
  Repeated with the same message: 'again', nothing is counted twice. ]]
local operation, device, now = KEYS[2], KEYS[3], tonumber(ARGV[1])
local state, answerBy, used, max, owner = unpack(redis.call('HMGET', operation, 's', 'a', 't', 'm', 'u'))
local deviceOwner, pin, number, lifetime = unpack(redis.call('HMGET', device, 'u', 'fp', 'fn', 'fl'))
if not state or not deviceOwner or owner ~= deviceOwner then return { 'missing' } end
local function counters(result)
  local p, n, l = unpack(redis.call('HMGET', device, 'fp', 'fn', 'fl'))
  return { result, tonumber(redis.call('HGET', operation, 't')), tonumber(max), tonumber(p), tonumber(n), tonumber(l) }
end

local mark = 'h:' .. ARGV[2]
if redis.call('HEXISTS', operation, mark) == 1 then return counters('again') end
if state ~= 'pending' then return { 'closed', state } end
if now >= tonumber(answerBy) then return { 'closed', 'expired' } end
local countsPin, countsNumber = ARGV[3] == '1', ARGV[4] == '1'
if tonumber(used) >= tonumber(max) then return { 'exhausted', 'operation' } end
if countsPin and tonumber(pin) >= tonumber(ARGV[5]) then return { 'exhausted', 'pin' } end
if countsNumber and tonumber(number) >= tonumber(ARGV[6]) then return { 'exhausted', 'number' } end
if countsPin and tonumber(lifetime) >= tonumber(ARGV[7]) then return { 'exhausted', 'pin_lifetime' } end

redis.call('HSET', operation, mark, '')
redis.call('HINCRBY', operation, 't', 1)
if countsPin then
  redis.call('HINCRBY', device, 'fp', 1)
  redis.call('HINCRBY', device, 'fl', 1)
end
if countsNumber then redis.call('HINCRBY', device, 'fn', 1) end
return counters('reserved')
