--[[ startOperation   a new pending operation, within the caps, superseding older ones where the policy says so.
  KEYS[1] root            KEYS[2] operation   KEYS[3] its body   KEYS[4] user
  ARGV[1] now, epoch ms   ARGV[2] id   ARGV[3] user id   ARGV[4] fields, JSON array of name, value, name, value …
  ARGV[5] body, packed     ARGV[6] lifetime of the record, ms: retention and an hour
  ARGV[7] cap, JSON { perClient, replace, perUser, decoy: the user need not exist }
  ARGV[8] superseded event, JSON text from after the brace, '' for none   ARGV[9] its user's key part   ARGV[10] its at, epoch ms
  ARGV[11] changes
  returns { 'started', superseded ids } | { 'refused', 'client' | 'user', retryAt in epoch ms } | { 'exists' } | { 'user_not_active' }
  Repeated: 'exists'. ]]
--- @include operations
--- @include changes
local root, operation, now = KEYS[1], KEYS[2], tonumber(ARGV[1])
local id, user, cap, changes = ARGV[2], ARGV[3], cjson.decode(ARGV[7]), ARGV[11]
if redis.call('EXISTS', operation) == 1 then return { 'exists' } end
if not cap.decoy and redis.call('HGET', KEYS[4], 's') ~= 'active' then return { 'user_not_active' } end

local fields = cjson.decode(ARGV[4])
local of = {}
for i = 1, #fields, 2 do of[fields[i]] = fields[i + 1] end

-- When one more would fit under `limit`: the end of the one that has to go first.
local function freeAt(ids, limit)
  local ends = {}
  for i, other in ipairs(ids) do ends[i] = tonumber(redis.call('HGET', root .. NAME.operation .. other, 'x')) end
  table.sort(ends)
  return string.format('%.0f', ends[#ids - limit + 1] or now)
end

local superseded = {}
if of.k ~= 'registration' then
  local pending = pendingIn(root, root .. NAME.pendingOf .. user, now)
  local ofClient = {}
  for _, other in ipairs(pending) do
    if redis.call('HGET', root .. NAME.operation .. other, 'c') == of.c then ofClient[#ofClient + 1] = other end
  end
  if #ofClient >= cap.perClient then
    if not cap.replace then return { 'refused', 'client', freeAt(ofClient, cap.perClient) } end
    for i = 1, #ofClient - cap.perClient + 1 do superseded[i] = ofClient[i] end
  end
  if #pending - #superseded >= cap.perUser then
    local staying = {}
    local going = {}
    for _, other in ipairs(superseded) do going[other] = true end
    for _, other in ipairs(pending) do
      if not going[other] then staying[#staying + 1] = other end
    end
    return { 'refused', 'user', freeAt(staying, cap.perUser) }
  end
end

for _, other in ipairs(superseded) do
  endOperation(root, other, 'cancelled', now, 'superseded')
  if ARGV[8] ~= '' then
    local head = string.format('{"id":"%s.operation.superseded","operationId":"%s",', other, other)
    writeEvents(root, { { head .. ARGV[8], other, ARGV[9], tonumber(ARGV[10]) } }, cjson.decode(changes).keepMs)
  end
end

insertOperation(root, id, ARGV[4], ARGV[5], ARGV[6])
writeChanges(root, changes)
return { 'started', superseded }
