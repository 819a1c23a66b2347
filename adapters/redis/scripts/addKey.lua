--[[ addKey   a server key that becomes the current one of its use and algorithm, or the one that waits.
  KEYS[1] root   KEYS[2] table of keys
  ARGV[1] kid   ARGV[2] slot: use and algorithm   ARGV[3] key, JSON without state and private half   ARGV[4] private half, '' for none
  ARGV[5] kid that it replaces, '' for none   ARGV[6] state   ARGV[7] now, epoch ms   ARGV[8] changes   ARGV[9] version
  returns { 'added' } | { 'exists' }
  Repeated: 'added', nothing is written again. ]]
--- @include changes
local keys, kid, replaces = KEYS[2], ARGV[1], ARGV[5]
local slot = (ARGV[6] == 'next' and 'n:' or 'c:') .. ARGV[2]
local current = redis.call('HGET', keys, slot)
if current == kid then return { 'added' } end
if redis.call('HEXISTS', keys, 'b:' .. kid) == 1 then return { 'exists' } end
if current and current ~= replaces then return { 'exists' } end
if replaces ~= '' and current ~= replaces then return { 'exists' } end
if current then
  redis.call('HSET', keys, 's:' .. current, 'retired', 'r:' .. current, ARGV[7])
  redis.call('HINCRBY', keys, 'v:' .. current, 1)
end
redis.call('HSET', keys, 'b:' .. kid, ARGV[3], 's:' .. kid, ARGV[6], 'v:' .. kid, ARGV[9])
if ARGV[4] ~= '' then redis.call('HSET', keys, 'p:' .. kid, ARGV[4]) end
if ARGV[6] == 'current' or ARGV[6] == 'next' then redis.call('HSET', keys, slot, kid) end
writeChanges(KEYS[1], ARGV[8])
return { 'added' }
