--[[ saveDevice   replaces a device's record; state, lock reason, failures, counter and owner stay as stored, but for what is said of them.
  KEYS[1] root   KEYS[2] device   KEYS[3] receipt
  ARGV[1] now, epoch ms   ARGV[2] version it must have   ARGV[3] states it may be in, JSON array
  ARGV[4] fields to set, JSON array   ARGV[5] fields to remove, JSON array   ARGV[6] receipt   ARGV[7] changes
  ARGV[8] counter   ARGV[9] 'right' | 'renewed' PIN, '' for neither   ARGV[10] id of the ticket it spends, '' for none
  ARGV[11] id of the registration that it opens, '' for none   ARGV[12] its fields, JSON array   ARGV[13] its body, packed
  ARGV[14] its record's lifetime, ms
  returns { 'saved', fields } | { 'stale' } | { 'missing' } | { 'refused', state } | { 'ticket_closed' } | { 'user_not_active' }
        | { 'repeated', outcome } | { 'message_reused' }
  Repeated: 'repeated' with a receipt, else 'stale'. ]]
--- @include operations
--- @include devices
--- @include receipts
--- @include changes
--- @include counter
--- @include tries
--- @include boxes
local root, device, now, spent, opened = KEYS[1], KEYS[2], tonumber(ARGV[1]), ARGV[10], ARGV[11]
local before = replayed(KEYS[3], ARGV[6], now)
if before then return before end
local refusal = refusalOf(device, ARGV[2], ARGV[3])
if refusal then return refusal end
local user = redis.call('HGET', device, 'u')
if spent ~= '' then
  local ticket = root .. NAME.operation .. spent
  local kind, owner, boundTo = unpack(redis.call('HMGET', ticket, 'k', 'u', 'tb'))
  local fresh = kind == 'registration' and owner == user and not boundTo and isPending(ticket, now)
  if not fresh then return { 'ticket_closed' } end
end
if opened ~= '' and redis.call('HGET', root .. NAME.user .. user, 's') ~= 'active' then return { 'user_not_active' } end

replaceDevice(device, ARGV[4], ARGV[5])
indexBox(root, device)
if ARGV[9] ~= '' then
  local tries, on = triesOf(root, user), { 'p' .. string.sub(device, #root + #NAME.device + 1) }
  local message = ARGV[6] ~= '' and cjson.decode(ARGV[6]).jwsHash or ''
  endTry(tries, on, message)
  if ARGV[9] == 'right' then clearFailures(device, true, false, othersUnderWay(tries, on, message, now)) end
end
if ARGV[9] == 'renewed' then redis.call('HSET', device, 'fp', 0, 'fl', 0) end
if spent ~= '' then
  redis.call('HSET', root .. NAME.operation .. spent, 'td', string.sub(device, #root + #NAME.device + 1))
  endOperation(root, spent, 'approved', now)
end
if opened ~= '' then insertOperation(root, opened, ARGV[12], ARGV[13], ARGV[14]) end
writeReceipt(KEYS[3], ARGV[6], now)
writeChanges(root, ARGV[7])
noteCounter(root, device, ARGV[8])
return { 'saved', redis.call('HGETALL', device) }
