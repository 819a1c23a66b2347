--[[ finishIdempotent   stores the response of a claimed idempotency key.
  KEYS[1] entry
  ARGV[1] hash of the request   ARGV[2] response   ARGV[3] end of the entry, epoch ms   ARGV[4] lifetime of the entry, ms
  returns 1, or 0 where the key belongs to another request by now
  Repeated: 1. ]]
local hash = redis.call('HGET', KEYS[1], 'h')
if hash and hash ~= ARGV[1] then return 0 end
redis.call('HSET', KEYS[1], 'h', ARGV[1], 'p', ARGV[2], 'l', 0, 'u', ARGV[3])
redis.call('PEXPIRE', KEYS[1], ARGV[4])
return 1
