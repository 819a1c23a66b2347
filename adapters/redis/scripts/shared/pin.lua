-- What a right PIN does to its counters: this try was counted before it was known to be right.
local function pinWasRight(device)
  redis.call('HSET', device, 'fp', 0)
  if tonumber(redis.call('HGET', device, 'fl')) > 0 then redis.call('HINCRBY', device, 'fl', -1) end
end

-- The PIN key goes even where the device is locked or gone already: it is what the guesses were about.
local function lockDevice(device, reason)
  redis.call('HDEL', device, 'pk')
  redis.call('HSET', device, 'np', '1')
  if redis.call('HGET', device, 's') == 'active' then redis.call('HSET', device, 's', 'locked', 'lr', reason) end
  redis.call('HINCRBY', device, 'v', 1)
end
