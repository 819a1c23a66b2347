--[[ reserveCode   counts a try of a code before it is compared; a try past the limit ends the ticket.
  KEYS[1] root   KEYS[2] operation
  ARGV[1] now, epoch ms   ARGV[2] id   ARGV[3] limit   ARGV[4] field of the counter   ARGV[5] changes of the end
  returns { 'reserved', used } | { 'confirmed' } | { 'closed' } | { 'missing' }
  Repeated: counts again, on the safe side. ]]
--- @include operations
--- @include changes
local operation, now = KEYS[2], tonumber(ARGV[1])
if redis.call('HGET', operation, 'k') ~= 'registration' then return { 'missing' } end
if not isPending(operation, now) then return { 'closed' } end
if ARGV[4] == 'tc' and redis.call('HEXISTS', operation, 'tk') == 1 then return { 'confirmed' } end
if tonumber(redis.call('HGET', operation, ARGV[4]) or 0) >= tonumber(ARGV[3]) then
  endOperation(KEYS[1], ARGV[2], 'failed', now, 'attempts')
  writeChanges(KEYS[1], ARGV[5])
  return { 'closed' }
end
return { 'reserved', redis.call('HINCRBY', operation, ARGV[4], 1) }
