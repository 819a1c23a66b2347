-- Writes an entry, or drops it where there is no text; of a public key, with its place in the index of reviews.
local function writeClaim(root, entry, text, reviewAt)
  local member = string.sub(entry, #root + #NAME.thumbprint + 1)
  if text == '' then redis.call('DEL', entry) else redis.call('SET', entry, text) end
  if reviewAt ~= '' then
    redis.call('ZADD', root .. NAME.claimReviews, reviewAt, member)
  elseif text == '' then
    redis.call('ZREM', root .. NAME.claimReviews, member)
  end
end
