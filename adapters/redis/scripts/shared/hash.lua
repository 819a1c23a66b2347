-- A hash in a reply: a mark, and one JSON text for all its names and values (packing.ts). As eighty strings of their own it would
-- cost the reader three times as much, and Redis more as well.
local function hash(key)
  local fields = redis.call('HGETALL', key)
  return '\2' .. (#fields == 0 and '[]' or cjson.encode(fields))
end
local NO_HASH = '\2[]'
