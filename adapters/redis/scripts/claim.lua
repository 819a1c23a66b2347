--[[ claim   the first step of two: an entry that names its owner, believed only once the owner's record confirms it.
  KEYS[1] entry
  ARGV[1] owner's id   ARGV[2] the entry to write: owner, time of the claim, nonce, between blanks
  returns { 'fresh' } | { 'own' } | { 'taken', the entry that stands }
  Repeated: 'own'. ]]
local stands = redis.call('GET', KEYS[1])
if stands and string.sub(stands, 1, #ARGV[1] + 1) ~= ARGV[1] .. ' ' then return { 'taken', stands } end
redis.call('SET', KEYS[1], ARGV[2])
return { stands and 'own' or 'fresh' }
