--[[ readBacklog   how many entries of one partition wait, and since when the first of them is due.
  KEYS[1] root   KEYS[2] outbox   KEYS[3] its due index
  returns { count, dueAt in epoch ms or '' } ]]
--- @include outbox
local first = redis.call('ZRANGE', KEYS[3], 0, 0)[1]
local text = first and redis.call('HGET', KEYS[2], idOf(first))
return { redis.call('ZCARD', KEYS[3]), text and string.match(text, '^%S+') or '' }
