--[[ readDevice   a device, its user's state, the receipt of one message, and what its user is told at the moment.
  KEYS[1] root   KEYS[2] device   KEYS[3] receipt (root where none is asked for)
  ARGV[1] now, epoch ms, where notices are asked for; else ''
  returns { fields, user's state, receipt's fields, events as JSON texts } | { } ]]
--- @include hash
local user = redis.call('HGET', KEYS[2], 'u')
if not user then return {} end
local state = redis.call('HGET', KEYS[1] .. NAME.user .. user, 's')
local notices = {}
if ARGV[1] ~= '' then
  for _, text in ipairs(redis.call('LRANGE', KEYS[1] .. NAME.noticesOf .. user, 0, -1)) do
    local ends, event = string.match(text, '^(%d+) (.*)$')
    if tonumber(ends) > tonumber(ARGV[1]) then notices[#notices + 1] = event end
  end
end
return { hash(KEYS[2]), state, KEYS[3] == KEYS[1] and NO_HASH or hash(KEYS[3]), notices }
