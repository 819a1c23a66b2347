--[[ dueBoxes   devices whose box pair is old, or has a former one whose time is over.
  KEYS[1] root   KEYS[2] index of pairs by when they were made   KEYS[3] of former ones by their end
  ARGV[1] made until, epoch ms   ARGV[2] now, epoch ms   ARGV[3] at most so many
  returns array of { id, fields }; a device that has no pair any more leaves both
  Repeated: the same. ]]
--- @include hash
local found, seen = {}, {}
local function look(index, ends)
  for _, id in ipairs(redis.call('ZRANGE', index, '-inf', ends, 'BYSCORE', 'LIMIT', 0, ARGV[3])) do
    local device = KEYS[1] .. NAME.device .. id
    if redis.call('HEXISTS', device, 'bx') == 0 then
      redis.call('ZREM', KEYS[2], id)
      redis.call('ZREM', KEYS[3], id)
    elseif not seen[id] and #found < tonumber(ARGV[3]) then
      seen[id] = true
      found[#found + 1] = { id, hash(device) }
    end
  end
end
look(KEYS[2], ARGV[1])
look(KEYS[3], ARGV[2])
return found
