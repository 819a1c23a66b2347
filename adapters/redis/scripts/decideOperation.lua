--[[ decideOperation   pending -> approved | denied, once.
  KEYS[1] root   KEYS[2] operation   KEYS[3] device   KEYS[4] user   KEYS[5] receipt   KEYS[6] evidence   KEYS[7] PIN proof
  ARGV[1] now, epoch ms   ARGV[2] operation id   ARGV[3] device id   ARGV[4] user id
  ARGV[5] 'approved' | 'denied'   ARGV[6] decision, JSON   ARGV[7] '1' to clear the PIN's failures   ARGV[8] '1' the number's
  ARGV[9] evidence, '' for none   ARGV[10] its retention, epoch ms   ARGV[11] receipt   ARGV[12] changes   ARGV[13] end reason or ''
  ARGV[14] counter   ARGV[15] PIN proof, kept as long as the evidence, '' for none
  returns { 'decided' | 'decided_before', id, body, fields } | { 'closed', state } | { 'user_not_active' }
        | { 'device_not_active', state, lock reason or '' } | { 'missing' } | { 'repeated', outcome } | { 'message_reused' }
  Repeated: 'repeated', by its receipt. ]]
--- @include operations
--- @include receipts
--- @include changes
--- @include counter
--- @include tries
local root, operation, device, now = KEYS[1], KEYS[2], KEYS[3], tonumber(ARGV[1])
local id, outcome = ARGV[2], ARGV[5]
local before = replayed(KEYS[5], ARGV[11], now)
if before then return before end

local state, kind, expiresAt, answerBy, owner, decision =
  unpack(redis.call('HMGET', operation, 's', 'k', 'x', 'a', 'u', 'dc'))
local deviceState, deviceOwner, lockReason = unpack(redis.call('HMGET', device, 's', 'u', 'lr'))
if not state or kind == 'registration' or not deviceState then return { 'missing' } end
if owner ~= ARGV[4] or deviceOwner ~= ARGV[4] then return { 'missing' } end
if redis.call('HGET', KEYS[4], 's') ~= 'active' then return { 'user_not_active' } end
if deviceState ~= 'active' then return { 'device_not_active', deviceState, lockReason or '' } end
local clearsPin, clearsNumber = ARGV[7] == '1', ARGV[8] == '1'
local message = cjson.decode(ARGV[11]).jwsHash
-- whether a try was there; what was right counts as right, also where it comes too late
local function settle(isDecided)
  local tries, on = triesOf(root, owner), { 'p' .. ARGV[3], 'n' .. ARGV[3], 'o' .. id }
  local was = endTry(tries, on, message)
  if was or isDecided then
    clearFailures(device, clearsPin, clearsNumber, othersUnderWay(tries, on, message, now))
  end
end
if outcome == 'approved' and (decision or state ~= 'pending' or now >= tonumber(answerBy)) then settle(false) end
if decision then return { 'decided_before', unpack(readOperation(root, id)) } end
if state ~= 'pending' then return { 'closed', state } end
if now >= tonumber(expiresAt) or (outcome == 'approved' and now >= tonumber(answerBy)) then
  return { 'closed', 'expired' }
end

redis.call('HSET', operation, 'dc', ARGV[6], 'dd', ARGV[3])
endOperation(root, id, outcome, now, ARGV[13] ~= '' and ARGV[13] or nil)
redis.call('HSET', device, 'lu', ARGV[1])
if clearsPin or clearsNumber or outcome == 'approved' then settle(true) end
if ARGV[9] ~= '' then
  local lifetime = string.format('%.0f', math.max(tonumber(ARGV[10]) - now, 0) + 7200000)
  redis.call('SET', KEYS[6], ARGV[9], 'PX', lifetime)
  if ARGV[15] ~= '' then redis.call('SET', KEYS[7], ARGV[15], 'PX', lifetime) end
  redis.call('ZADD', root .. NAME.garbage, ARGV[10], 'v' .. id)
end
writeReceipt(KEYS[5], ARGV[11], now)
writeChanges(root, ARGV[12])
noteCounter(root, device, ARGV[14])
return { 'decided', unpack(readOperation(root, id)) }
