--[[ endHolds   holds of one partition are over: their server stops.
  KEYS[1] root
  ARGV: id, holder, id, holder …
  returns 1
  Repeated: nothing to end. ]]
local root = KEYS[1]
for i = 1, #ARGV, 2 do
  local operation = root .. NAME.operation .. ARGV[i]
  if redis.call('HGET', operation, 'wh') == ARGV[i + 1] then redis.call('HDEL', operation, 'wh', 'wu') end
end
return 1
