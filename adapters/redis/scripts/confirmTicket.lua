--[[ confirmTicket   the digits of the new device were right, once.
  KEYS[1] root   KEYS[2] operation
  ARGV[1] now, epoch ms   ARGV[2] id   ARGV[3] changes
  returns { 'confirmed', id, body, fields } | { 'closed' } | { 'missing' }
  Repeated: 'confirmed', as it was. ]]
--- @include operations
--- @include changes
local operation, now = KEYS[2], tonumber(ARGV[1])
if redis.call('HGET', operation, 'k') ~= 'registration' then return { 'missing' } end
if not isPending(operation, now) then return { 'closed' } end
if redis.call('HSETNX', operation, 'tk', ARGV[1]) == 1 then
  redis.call('HINCRBY', operation, 'v', 1)
  writeChanges(KEYS[1], ARGV[3])
end
return { 'confirmed', unpack(readOperation(KEYS[1], ARGV[2])) }
