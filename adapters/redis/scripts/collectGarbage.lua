--[[ collectGarbage   deletes records of one partition that have outlived their retention by an hour; events by theirs alone.
  KEYS[1] root   KEYS[2] index of ends
  ARGV[1] now, epoch ms   ARGV[2] at most so many   ARGV[3] retention of events, ms
  returns { number of records deleted, 1 where more may be over, else 0 }; the events of one operation are one
  What Redis' own expiry was faster with is deleted by nobody here; its member of the index goes all the same, and counts as done.
  Repeated: the rest.
  Members: o operation, v evidence and the PIN proof beside it, d a device that has not become active, e events of an operation,
  n a user's events, p those of nobody; each but p with an id. ]]
local root, now, left, keepMs = KEYS[1], tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local over = now - 3600000
local deleted = 0

local function dropOperation(id)
  if redis.call('DEL', root .. NAME.operation .. id, root .. NAME.body .. id) > 0 then deleted = deleted + 1 end
  local last = redis.call('LINDEX', root .. NAME.eventsOfOperation .. id, -1)
  if last then redis.call('ZADD', KEYS[2], cjson.decode(last).at + keepMs, 'e' .. id) end
end

local function dropEvidence(id)
  if redis.call('DEL', root .. NAME.evidence .. id, root .. NAME.pinProof .. id) > 0 then deleted = deleted + 1 end
end

-- Its registration is over for as long: what has not become active by then never will.
local function dropDevice(id)
  local device = root .. NAME.device .. id
  local state, activatedAt, user = unpack(redis.call('HMGET', device, 's', 'at', 'u'))
  if state ~= 'pending' and (state ~= 'deactivated' or activatedAt) then return end
  redis.call('LREM', root .. NAME.devicesOf .. user, 0, id)
  redis.call('ZREM', root .. NAME.devices, id)
  redis.call('DEL', device)
  deleted = deleted + 1
end

-- Oldest first, until one is young enough; answers when that one may go.
local function shorten(list)
  while left > 0 do
    local text = redis.call('LINDEX', list, 0)
    if not text then return nil end
    local at = tonumber(string.match(text, '^@(%S+)') or cjson.decode(text).at)
    if over < at + keepMs then return at + keepMs end
    redis.call('LPOP', list)
    deleted, left = deleted + 1, left - 1
  end
  return over
end

local drop = {
  o = dropOperation,
  v = dropEvidence,
  d = dropDevice,
  e = function(id) deleted = deleted + redis.call('DEL', root .. NAME.eventsOfOperation .. id) end,
  n = function(id) return shorten(root .. NAME.eventsOfUser .. id) end,
  p = function() return shorten(root .. NAME.eventsOfNobody) end,
}
for _, member in ipairs(redis.call('ZRANGE', KEYS[2], '-inf', string.format('%.0f', over), 'BYSCORE', 'LIMIT', 0, ARGV[2])) do
  if left <= 0 then break end
  local before = left
  local again = drop[string.sub(member, 1, 1)](string.sub(member, 2))
  if again then redis.call('ZADD', KEYS[2], again, member) else redis.call('ZREM', KEYS[2], member) end
  if left == before then left = left - 1 end
end
return { deleted, left <= 0 and 1 or 0 }
