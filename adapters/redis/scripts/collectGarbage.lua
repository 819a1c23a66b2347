--[[ collectGarbage   deletes records of one partition that have outlived their retention by an hour; events by theirs alone.
  KEYS[1] root   KEYS[2] index of ends
  ARGV[1] now, epoch ms   ARGV[2] at most so many   ARGV[3] retention of events, ms
  returns number of records deleted; the events of one operation are one
  Repeated: the rest.
  Members: o operation, v evidence and the PIN proof beside it, e its events, n a user's events, p those of nobody; each but p with an id. ]]
local root, now, limit, keepMs = KEYS[1], tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local deleted = 0

local function dropOperation(id)
  if redis.call('DEL', root .. NAME.operation .. id, root .. NAME.body .. id) > 0 then deleted = deleted + 1 end
  local last = redis.call('LINDEX', root .. NAME.eventsOfOperation .. id, -1)
  if last then redis.call('ZADD', KEYS[2], cjson.decode(last).at + keepMs, 'e' .. id) end
end

local function dropEvidence(id)
  if redis.call('DEL', root .. NAME.evidence .. id, root .. NAME.pinProof .. id) > 0 then deleted = deleted + 1 end
end

-- Oldest first, until one is young enough; answers when that one may go.
local function shorten(list)
  while deleted < limit do
    local text = redis.call('LINDEX', list, 0)
    if not text then return nil end
    local at = tonumber(string.match(text, '^@(%S+)') or cjson.decode(text).at)
    if now - 3600000 < at + keepMs then return at + keepMs end
    redis.call('LPOP', list)
    deleted = deleted + 1
  end
  return now - 3600000
end

local drop = {
  o = dropOperation,
  v = dropEvidence,
  e = function(id) deleted = deleted + redis.call('DEL', root .. NAME.eventsOfOperation .. id) end,
  n = function(id) return shorten(root .. NAME.eventsOfUser .. id) end,
  p = function() return shorten(root .. NAME.eventsOfNobody) end,
}
local over = string.format('%.0f', now - 3600000)
for _, member in ipairs(redis.call('ZRANGE', KEYS[2], '-inf', over, 'BYSCORE', 'LIMIT', 0, ARGV[2])) do
  if deleted >= limit then break end
  local again = drop[string.sub(member, 1, 1)](string.sub(member, 2))
  if again then redis.call('ZADD', KEYS[2], again, member) else redis.call('ZREM', KEYS[2], member) end
end
return deleted
