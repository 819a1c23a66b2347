--[[ claim   the first step of two: an entry that names its owner, believed only once the owner's record confirms it.
  KEYS[1] root   KEYS[2] entry
  ARGV[1] owner's id   ARGV[2] the entry to write: owner, time of the claim, nonce, between blanks, and what follows
  ARGV[3] when a public key's is due for a review, epoch ms; '' for none
  returns { 'fresh' } | { 'own' } | { 'taken', the entry that stands }
  Repeated: 'own'. ]]
--- @include claims
local stands = redis.call('GET', KEYS[2])
if stands and string.sub(stands, 1, #ARGV[1] + 1) ~= ARGV[1] .. ' ' then return { 'taken', stands } end
writeClaim(KEYS[1], KEYS[2], ARGV[2], ARGV[3])
return { stands and 'own' or 'fresh' }
