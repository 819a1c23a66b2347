--[[ settleOutbox   ends the lease of an entry: done, or later again.
  KEYS[1] root   KEYS[2] outbox   KEYS[3] its due index   KEYS[4] its fences
  ARGV[1] id   ARGV[2] fence   ARGV[3] due again at, epoch ms; '' for done
  returns 1, or 0 where the fence is not the entry's current one
  Repeated: 0. ]]
--- @include outbox
local id, text = ARGV[1], redis.call('HGET', KEYS[2], ARGV[1])
if not text or redis.call('HGET', KEYS[4], id) ~= ARGV[2] then return 0 end
local _, expiresAt, number, rest = readEntry(text)
local member = memberOf(tonumber(number), id)
if ARGV[3] == '' then
  redis.call('HDEL', KEYS[2], id)
  redis.call('HDEL', KEYS[4], id)
  redis.call('ZREM', KEYS[3], member)
else
  redis.call('HINCRBY', KEYS[4], id, 1)
  redis.call('HSET', KEYS[2], id, table.concat({ ARGV[3], expiresAt, number, rest }, ' '))
  redis.call('ZADD', KEYS[3], ARGV[3], member)
end
return 1
