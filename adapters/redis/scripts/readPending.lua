--[[ readPending   a user's operations, or tickets, that are pending; in the order in which they were started.
  KEYS[1] root   KEYS[2] the list of ids
  ARGV[1] now, epoch ms
  returns array of { id, body, fields } ]]
--- @include operations
local found = {}
for _, id in ipairs(pendingIn(KEYS[1], KEYS[2], tonumber(ARGV[1]))) do
  found[#found + 1] = readOperation(KEYS[1], id)
end
return found
