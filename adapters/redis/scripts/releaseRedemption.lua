--[[ releaseRedemption   frees the holder's lease, committed response or hold for the next poll.
  KEYS[1] root   KEYS[2] operation
  ARGV[1] now, epoch ms   ARGV[2] holder
  returns 1 freed, 0 nothing of this holder's
  Repeated: 0. ]]
local operation = KEYS[2]
local redemption, heldBy, waiter = unpack(redis.call('HMGET', operation, 'rs', 'rh', 'wh'))
if waiter == ARGV[2] then redis.call('HDEL', operation, 'wh', 'wu') end
if heldBy ~= ARGV[2] then return 0 end
if redemption == 'leased' then return redis.call('HDEL', operation, 'rs', 'rh', 'ru') > 0 and 1 or 0 end
if redemption ~= 'committed' then return 0 end
redis.call('HSET', operation, 'ru', ARGV[1])
return 1
