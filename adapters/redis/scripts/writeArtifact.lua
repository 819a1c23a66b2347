--[[ writeArtifact   writes what the engine keeps, replacing; what was consumed stays consumed.
  KEYS[1] artifact
  ARGV[1] payload   ARGV[2] end, epoch ms   ARGV[3] lifetime of the record, ms
  returns 1
  Repeated: the same. ]]
redis.call('HSET', KEYS[1], 'p', ARGV[1], 'x', ARGV[2])
redis.call('PEXPIRE', KEYS[1], ARGV[3])
return 1
