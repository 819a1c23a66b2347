--[[ dueClaims   claims of public keys whose review is due.
  KEYS[1] root   KEYS[2] index of reviews
  ARGV[1] now, epoch ms   ARGV[2] at most so many
  returns array of entries; one that is not there leaves the index
  Repeated: the same. ]]
local found = {}
for _, member in ipairs(redis.call('ZRANGE', KEYS[2], '-inf', ARGV[1], 'BYSCORE', 'LIMIT', 0, ARGV[2])) do
  local entry = redis.call('GET', KEYS[1] .. NAME.thumbprint .. member)
  if entry then found[#found + 1] = entry else redis.call('ZREM', KEYS[2], member) end
end
return found
