--[[ pollOperation   the token call's one round trip: owner, pacing and state together.
  KEYS[1] root   KEYS[2] operation
  ARGV[1] now, epoch ms   ARGV[2] id   ARGV[3] client   ARGV[4] holder   ARGV[5] end of its lease, epoch ms
  ARGV[6] tolerance, ms   ARGV[7] step, s   ARGV[8] longest interval, s
  ARGV[9] '' a client's poll | 'held' it again, after it was held | 'push' the server's own   ARGV[10] end of its hold, epoch ms, '' for none
  returns { 'missing' } | { 'push' } | { 'pending' } | { 'slow_down', interval in s } | { 'ended', state, reason or '' } | { 'expired' } | { 'busy' }
        | { 'leased' | 'committed', body, operation's fields, user's fields, device's fields } | { 'delivered' }
  Repeated by the same holder: the same lease. ]]
--- @include hash
local root, operation, now, holder = KEYS[1], KEYS[2], tonumber(ARGV[1]), ARGV[4]
local state, client, interval, last, expiresAt, redemption, heldBy, heldUntil, replayUntil, user, device, reason, mode, waiter, waitsUntil =
  unpack(redis.call('HMGET', operation, 's', 'c', 'i', 'l', 'x', 'rs', 'rh', 'ru', 'rp', 'u', 'dd', 'e', 'nm', 'wh', 'wu'))
if not state or client ~= ARGV[3] or not interval then return { 'missing' } end
if mode == 'push' and ARGV[9] ~= 'push' then return { 'push' } end
local late = now >= tonumber(expiresAt)

if state == 'pending' then
  if late then return { 'ended', 'expired', '' } end
  if ARGV[9] ~= '' then
    if waiter == holder then redis.call('HDEL', operation, 'wh', 'wu') end
    return { 'pending' }
  end
  interval, last, waitsUntil = tonumber(interval), last and tonumber(last) or -math.huge, tonumber(waitsUntil or 0)
  if last > now then
    -- a clock that was set back stops nobody until the time has come again: the last poll counts as of now, and so does its hold
    last, waitsUntil = now, waitsUntil - (last - now)
    redis.call('HSET', operation, 'l', ARGV[1])
    if waiter then redis.call('HSET', operation, 'wu', string.format('%.0f', waitsUntil)) end
  end
  local overlaps = waiter and waiter ~= holder and now < waitsUntil
  if overlaps or now - last < interval * 1000 - tonumber(ARGV[6]) then
    interval = math.min(interval + tonumber(ARGV[7]), tonumber(ARGV[8]))
    redis.call('HSET', operation, 'i', interval)
    return { 'slow_down', interval }
  end
  redis.call('HSET', operation, 'l', ARGV[1])
  if ARGV[10] ~= '' then redis.call('HSET', operation, 'wh', holder, 'wu', ARGV[10]) end
  return { 'pending' }
end
if state ~= 'approved' then return { 'ended', state, reason or '' } end

local function give(result)
  local body, userKey = redis.call('GET', root .. NAME.body .. ARGV[2]), root .. NAME.user .. user
  local deviceFields = device and hash(root .. NAME.device .. device) or NO_HASH
  return { result, body, hash(operation), hash(userKey), deviceFields }
end

if redemption == 'delivered' or redemption == 'expired' then return { redemption } end
if redemption == 'committed' and now >= tonumber(replayUntil) then return { 'delivered' } end
local held = heldUntil and now < tonumber(heldUntil)
if held and heldBy ~= holder then
  -- from before a clock was set back: nobody waits for longer than a lease
  if tonumber(heldUntil) > tonumber(ARGV[5]) then redis.call('HSET', operation, 'ru', ARGV[5]) end
  return { 'busy' }
end
if redemption == 'committed' then
  redis.call('HSET', operation, 'rh', holder, 'ru', ARGV[5])
  return give('committed')
end
if late and not held then
  -- What was answered stays true: whoever had the lease commits nothing any more.
  redis.call('HDEL', operation, 'rh', 'ru')
  redis.call('HSET', operation, 'rs', 'expired', 'ra', ARGV[1])
  return { 'expired' }
end
redis.call('HSET', operation, 'rs', 'leased', 'rh', holder, 'ru', ARGV[5])
return give('leased')
