--[[ consumeArtifact   marks an artifact consumed, once.
  KEYS[1] artifact
  ARGV[1] now, epoch ms
  returns 1 consumed now, 0 before or missing
  Repeated: 0. ]]
local ends = redis.call('HGET', KEYS[1], 'x')
if not ends or tonumber(ARGV[1]) >= tonumber(ends) then return 0 end
return redis.call('HSETNX', KEYS[1], 'c', ARGV[1])
