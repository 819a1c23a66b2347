--[[ readPage   users or devices of one partition in the order of their ids.
  KEYS[1] root   KEYS[2] index
  ARGV[1] after this id, '' for the first   ARGV[2] at most so many   ARGV[3] name of the records
  returns array of { id, fields } ]]
local from = ARGV[1] == '' and '-' or '(' .. ARGV[1]
local found = {}
for i, id in ipairs(redis.call('ZRANGE', KEYS[2], from, '+', 'BYLEX', 'LIMIT', 0, ARGV[2])) do
  found[i] = { id, redis.call('HGETALL', KEYS[1] .. NAME[ARGV[3]] .. id) }
end
return found
