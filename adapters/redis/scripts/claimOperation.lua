--[[ claimOperation   an offer is taken, by one device: pending -> cancelled.
  KEYS[1] root   KEYS[2] operation
  ARGV[1] now, epoch ms   ARGV[2] id   ARGV[3] device id   ARGV[4] claimed, JSON { deviceId, sealed, at }   ARGV[5] changes
  returns { 'claimed' | 'again', id, body, fields } | { 'claimed_by_other' } | { 'closed', state } | { 'missing' }
  Repeated: 'again', with what was brought first. ]]
--- @include operations
--- @include changes
local root, operation, now = KEYS[1], KEYS[2], tonumber(ARGV[1])
local offer, claimed, state = unpack(redis.call('HMGET', operation, 'of', 'oc', 's'))
if not offer then return { 'missing' } end
if claimed then
  if cjson.decode(claimed).deviceId ~= ARGV[3] then return { 'claimed_by_other' } end
  return { 'again', unpack(readOperation(root, ARGV[2])) }
end
if not isPending(operation, now) then return { 'closed', state == 'pending' and 'expired' or state } end
redis.call('HSET', operation, 'oc', ARGV[4])
endOperation(root, ARGV[2], 'cancelled', now, 'claimed')
writeChanges(root, ARGV[5])
return { 'claimed', unpack(readOperation(root, ARGV[2])) }
