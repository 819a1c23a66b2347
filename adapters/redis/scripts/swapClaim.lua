--[[ swapClaim   takes over an entry that nobody confirmed, or drops one that is not needed, if it is still the one that was read.
  KEYS[1] entry
  ARGV[1] the entry as read   ARGV[2] the entry to write, '' to drop it
  returns 1 done, 0 it is another one by now
  Repeated: 0. ]]
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
if ARGV[2] == '' then redis.call('DEL', KEYS[1]) else redis.call('SET', KEYS[1], ARGV[2]) end
return 1
