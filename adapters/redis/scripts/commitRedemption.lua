--[[ commitRedemption   leased -> committed, if the holder still has the lease.
  KEYS[1] root   KEYS[2] operation
  ARGV[1] holder   ARGV[2] hand-over until, epoch ms   ARGV[3] response   ARGV[4] binding   ARGV[5] replay until, epoch ms
  ARGV[6] changes   ARGV[7] now, epoch ms
  returns { 'committed' } | { 'lost' }
  Repeated with the same response: 'committed', nothing is written again. ]]
--- @include changes
local operation = KEYS[2]
local redemption, heldBy, response, heldUntil, expiresAt =
  unpack(redis.call('HMGET', operation, 'rs', 'rh', 'rr', 'ru', 'x'))
if heldBy ~= ARGV[1] then return { 'lost' } end
if redemption == 'committed' and response == ARGV[3] then return { 'committed' } end
if redemption ~= 'leased' then return { 'lost' } end
-- A poll may have been answered `expired` since the lease ran out; that answer stays true.
local now = tonumber(ARGV[7])
if now >= tonumber(heldUntil) and now >= tonumber(expiresAt) then return { 'lost' } end
redis.call('HSET', operation, 'rs', 'committed', 'ru', ARGV[2], 'rr', ARGV[3], 'rb', ARGV[4], 'rp', ARGV[5])
writeChanges(KEYS[1], ARGV[6])
return { 'committed' }
