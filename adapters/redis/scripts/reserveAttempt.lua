--[[ reserveAttempt   counts a try on operation and device before anything is verified.
  KEYS[1] root   KEYS[2] operation   KEYS[3] device
  ARGV[1] now, epoch ms   ARGV[2] hash of the message   ARGV[3] '1' where the PIN counts   ARGV[4] '1' where the number counts
  ARGV[5] limit pin       ARGV[6] limit number          ARGV[7] limit of the PIN key's life
  ARGV[8] operation id    ARGV[9] device id             ARGV[10] lease, ms: so long the try is under way
  returns { 'reserved' | 'again' | 'exhausted', 'operation' | 'pin' | 'number' | 'pin_lifetime' of what is exhausted or '',
            used, max, pin, number, pinLifetime, and of them under way for other messages: operation, pin, number }
        | { 'closed', state } | { 'missing' }
  Repeated with the same message: 'again', nothing is counted twice. ]]
--- @include tally
local root, operation, device, now = KEYS[1], KEYS[2], KEYS[3], tonumber(ARGV[1])
local message, id, deviceId = ARGV[2], ARGV[8], ARGV[9]
local state, answerBy, used, max, owner = unpack(redis.call('HMGET', operation, 's', 'a', 't', 'm', 'u'))
local deviceOwner, pin, number, lifetime = unpack(redis.call('HMGET', device, 'u', 'fp', 'fn', 'fl'))
if not state or not deviceOwner or owner ~= deviceOwner then return { 'missing' } end
local countsPin, countsNumber = ARGV[3] == '1', ARGV[4] == '1'
local function answer(result, which)
  return { result, which, unpack(tallyOf(root, operation, id, device, deviceId, message, now)) }
end
local function begin()
  local on = { 'o' .. id }
  if countsPin then on[#on + 1] = 'p' .. deviceId end
  if countsNumber then on[#on + 1] = 'n' .. deviceId end
  beginTry(triesOf(root, owner), on, message, now, tonumber(ARGV[10]))
end

local mark = 'h:' .. message
if redis.call('HEXISTS', operation, mark) == 1 then
  begin()
  return answer('again', '')
end
if state ~= 'pending' then return { 'closed', state } end
if now >= tonumber(answerBy) then return { 'closed', 'expired' } end
if tonumber(used) >= tonumber(max) then return answer('exhausted', 'operation') end
if countsPin and tonumber(pin) >= tonumber(ARGV[5]) then return answer('exhausted', 'pin') end
if countsNumber and tonumber(number) >= tonumber(ARGV[6]) then return answer('exhausted', 'number') end
if countsPin and tonumber(lifetime) >= tonumber(ARGV[7]) then return answer('exhausted', 'pin_lifetime') end

redis.call('HSET', operation, mark, '')
redis.call('HINCRBY', operation, 't', 1)
if countsPin then
  redis.call('HINCRBY', device, 'fp', 1)
  redis.call('HINCRBY', device, 'fl', 1)
end
if countsNumber then redis.call('HINCRBY', device, 'fn', 1) end
begin()
return answer('reserved', '')
