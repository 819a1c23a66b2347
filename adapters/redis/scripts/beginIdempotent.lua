--[[ beginIdempotent   claims an idempotency key.
  KEYS[1] entry
  ARGV[1] now, epoch ms   ARGV[2] hash of the request   ARGV[3] end of the claim, epoch ms   ARGV[4] end of the entry, epoch ms
  ARGV[5] lifetime of the entry, ms
  returns { 'fresh' } | { 'done', response } | { 'busy' } | { 'mismatch' }
  Repeated: 'busy' until the claim ends. ]]
local hash, response, lease, ends = unpack(redis.call('HMGET', KEYS[1], 'h', 'p', 'l', 'u'))
local now = tonumber(ARGV[1])
if hash and now < tonumber(ends) then
  if hash ~= ARGV[2] then return { 'mismatch' } end
  if response then return { 'done', response } end
  if now < tonumber(lease) then
    -- one that ends later is from before a clock was set back
    if tonumber(lease) > tonumber(ARGV[3]) then redis.call('HSET', KEYS[1], 'l', ARGV[3]) end
    return { 'busy' }
  end
end
redis.call('DEL', KEYS[1])
redis.call('HSET', KEYS[1], 'h', ARGV[2], 'l', ARGV[3], 'u', ARGV[4])
redis.call('PEXPIRE', KEYS[1], ARGV[5])
return { 'fresh' }
