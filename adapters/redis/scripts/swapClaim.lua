--[[ swapClaim   takes over an entry that nobody confirmed, reviews or drops one, if it is still the one that was read.
  KEYS[1] root   KEYS[2] entry
  ARGV[1] the entry as read   ARGV[2] the entry to write, '' to drop it
  ARGV[3] when a public key's is due for a review, epoch ms; '' for none
  returns 1 done, 0 it is another one by now
  Repeated: 0, or done again with the same outcome. ]]
--- @include claims
if redis.call('GET', KEYS[2]) ~= ARGV[1] then return 0 end
writeClaim(KEYS[1], KEYS[2], ARGV[2], ARGV[3])
return 1
