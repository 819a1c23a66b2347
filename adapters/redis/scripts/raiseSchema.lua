--[[ raiseSchema   the marker of the store, where it is older than the program: it only ever rises.
  KEYS[1] root   KEYS[2] marker: '3', or '3 readable by 2'
  ARGV[1] version of the program   ARGV[2] the oldest version whose programs may work beside it
  returns the marker as it stands now
  Repeated: the same, nothing is written again. ]]
local found = redis.call('GET', KEYS[2])
local version, floor
if found then
  version, floor = string.match(found, '^(%d+) readable by (%d+)$')
  version = version or string.match(found, '^%d+$')
  if not version or tonumber(version) >= tonumber(ARGV[1]) then return found end
end
local marker = ARGV[1]
floor = math.max(tonumber(ARGV[2]), tonumber(floor or version or 0))
if floor < tonumber(marker) then marker = string.format('%s readable by %d', marker, floor) end
redis.call('SET', KEYS[2], marker)
return marker
