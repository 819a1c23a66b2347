--[[ abandonIdempotent   frees a claimed key that has no response yet.
  KEYS[1] entry
  returns 1 freed, 0 nothing to free
  Repeated: 0. ]]
if redis.call('HEXISTS', KEYS[1], 'p') == 1 then return 0 end
return redis.call('DEL', KEYS[1])
