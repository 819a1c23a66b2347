--[[ expireOperations   writes 'expired' on pending operations of one partition whose time has passed.
  KEYS[1] root   KEYS[2] index of due operations
  ARGV[1] now, epoch ms   ARGV[2] at most so many   ARGV[3] event's type   ARGV[4] event, JSON text from after the brace
  ARGV[5] event's at, epoch ms   ARGV[6] end of the outbox entries, epoch ms   ARGV[7] retention of events, ms
  returns ids
  Repeated: the rest. ]]
--- @include operations
--- @include changes
local root, now = KEYS[1], tonumber(ARGV[1])
local expired = {}
for _, id in ipairs(redis.call('ZRANGE', KEYS[2], '-inf', ARGV[1], 'BYSCORE', 'LIMIT', 0, ARGV[2])) do
  local operation = root .. NAME.operation .. id
  local state, user, expiresAt = unpack(redis.call('HMGET', operation, 's', 'u', 'x'))
  if state == 'pending' then
    endOperation(root, id, 'expired', tonumber(expiresAt))
    local event = string.format('{"id":"%s.%s","operationId":"%s","userId":"%s",', id, ARGV[3], id, user) .. ARGV[4]
    writeEvents(root, { { event, id, user, tonumber(ARGV[5]) } }, tonumber(ARGV[7]))
    local rest = cjson.encode({ kind = 'inbox', userId = user, payload = cjson.encode({ op = id }) })
    enqueue(root, { { id .. '.expired', now, tonumber(ARGV[6]), rest } })
    expired[#expired + 1] = id
  else
    redis.call('ZREM', KEYS[2], id)
  end
end
return expired
