--- @include ends
-- The PIN key goes even where the device is locked or gone already: it is what the guesses were about. With it what came of a PIN
-- that somebody else may know: keys that wait, and tickets.
local function lockDevice(root, device, reason, now, closed, keepMs)
  redis.call('HDEL', device, 'pk', 'ro')
  redis.call('HSET', device, 'np', '1')
  if redis.call('HGET', device, 's') == 'active' then redis.call('HSET', device, 's', 'locked', 'lr', reason) end
  redis.call('HINCRBY', device, 'v', 1)
  endWithDevice(root, device, now, 'locked', closed, keepMs)
end
