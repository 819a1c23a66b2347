--[[ cancelOperation   pending -> cancelled, once.
  KEYS[1] root   KEYS[2] operation
  ARGV[1] now, epoch ms   ARGV[2] id   ARGV[3] '=' and the client that must own it, '' for any   ARGV[4] reason   ARGV[5] changes
  returns { 'cancelled' | 'ended', id, body, fields } | { 'missing' }
  Repeated: 'ended'. ]]
--- @include operations
--- @include changes
local root, operation, now = KEYS[1], KEYS[2], tonumber(ARGV[1])
local client = redis.call('HGET', operation, 'c')
if not client or (ARGV[3] ~= '' and ARGV[3] ~= '=' .. client) then return { 'missing' } end
if not isPending(operation, now) then return { 'ended', unpack(readOperation(root, ARGV[2])) } end
endOperation(root, ARGV[2], 'cancelled', now, ARGV[4])
writeChanges(root, ARGV[5])
return { 'cancelled', unpack(readOperation(root, ARGV[2])) }
