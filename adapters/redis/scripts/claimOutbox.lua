--[[ claimOutbox   leases entries of one partition that are due; drops expired ones.
  KEYS[1] root   KEYS[2] outbox   KEYS[3] its due index   KEYS[4] its fences
  ARGV[1] now, epoch ms   ARGV[2] at most so many   ARGV[3] end of the lease, epoch ms
  returns array of { id, dueAt, expiresAt, JSON text of the other members, fence }
  Repeated: the rest; what a first call without an answer leased comes again when that lease has run out.
  A fence is odd while a lease runs and even after a retry, so attempts are (fence + 1) / 2 and no two leases share one. ]]
--- @include outbox
local now, limit, found = tonumber(ARGV[1]), tonumber(ARGV[2]), {}

local function claim(member)
  local id = idOf(member)
  local dueAt, expiresAt, _, rest = readEntry(redis.call('HGET', KEYS[2], id) or '0 0 0 ')
  if now >= tonumber(expiresAt) then
    redis.call('HDEL', KEYS[2], id)
    redis.call('HDEL', KEYS[4], id)
    redis.call('ZREM', KEYS[3], member)
    return
  end
  local fence = tonumber(redis.call('HGET', KEYS[4], id) or 0)
  fence = fence + (fence % 2 == 0 and 1 or 2)
  redis.call('HSET', KEYS[4], id, fence)
  redis.call('ZADD', KEYS[3], ARGV[3], member)
  found[#found + 1] = { id, dueAt, expiresAt, rest, fence }
end

-- Twice as many, for some may be expired.
for _, member in ipairs(redis.call('ZRANGE', KEYS[3], '-inf', ARGV[1], 'BYSCORE', 'LIMIT', 0, limit * 2)) do
  if #found < limit then claim(member) end
end
return found
