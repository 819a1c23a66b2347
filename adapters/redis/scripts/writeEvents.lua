--[[ writeEvents   events that belong to no other record's change.
  KEYS[1] root
  ARGV[1] changes   ARGV[2] ids, JSON array in the same order
  returns 1
  Repeated: those that are among the last of their list are left out. ]]
--- @include changes
local root, changes, ids = KEYS[1], cjson.decode(ARGV[1]), cjson.decode(ARGV[2])
-- A caller repeats within seconds: what it wrote before is near the end.
local function isThere(list, id)
  for _, text in ipairs(redis.call('LRANGE', list, -100, -1)) do
    if string.sub(text, 1, 1) == '{' and cjson.decode(text).id == id then return true end
  end
  return false
end
local fresh = {}
for i, event in ipairs(changes.events) do
  local list = root .. NAME.eventsOfNobody
  if event[2] ~= '' then
    list = root .. NAME.eventsOfOperation .. event[2]
  elseif event[3] ~= '' then
    list = root .. NAME.eventsOfUser .. event[3]
  end
  if not isThere(list, ids[i]) then fresh[#fresh + 1] = event end
end
writeEvents(root, fresh, changes.keepMs)
return 1
