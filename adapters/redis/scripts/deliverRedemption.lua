--[[ deliverRedemption   committed -> delivered, if the holder has it; the response is erased.
  KEYS[1] root   KEYS[2] operation
  ARGV[1] now, epoch ms   ARGV[2] holder   ARGV[3] changes
  returns 1 delivered, 0 not this holder's
  Repeated: 0. ]]
--- @include changes
local operation = KEYS[2]
local redemption, heldBy = unpack(redis.call('HMGET', operation, 'rs', 'rh'))
if heldBy ~= ARGV[2] or redemption ~= 'committed' then return 0 end
redis.call('HDEL', operation, 'rh', 'ru', 'rr', 'rb', 'rp')
redis.call('HSET', operation, 'rs', 'delivered', 'ra', ARGV[1])
writeChanges(KEYS[1], ARGV[3])
return 1
