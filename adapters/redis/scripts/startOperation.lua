--[[ startOperation   a new pending operation, within caps and limits, superseding older ones where the policy says so.
  KEYS[1] root            KEYS[2] operation   KEYS[3] its body   KEYS[4] user   KEYS[5] receipt
  ARGV[1] now, epoch ms   ARGV[2] id   ARGV[3] user id   ARGV[4] fields, JSON array of name, value, name, value …
  ARGV[5] body, packed     ARGV[6] lifetime of the record, ms: retention and two hours
  ARGV[7] cap, JSON { perClient, replace, perUser, claims or none, decoy: the user need not exist }
  ARGV[8] superseded event, JSON text from after the brace, '' for none   ARGV[9] its user's key part   ARGV[10] its at, epoch ms
  ARGV[11] changes   ARGV[12] limits, JSON, '' for none
  ARGV[13] refused event, JSON array of text from after the brace, user's key part, at; '' for none
  ARGV[14] id of the decoy that it is started for where the person cannot be asked, '' for none   ARGV[15] changes then
  ARGV[16] document, sealed, '' for none   ARGV[17] receipt   ARGV[18] counter
  returns { 'started', superseded ids, why it was started for the decoy or '' } | { 'refused', limit, retryAt in epoch ms }
        | { 'exists' } | { 'user_not_active' } | { 'repeated', outcome } | { 'message_reused' }
  Repeated: 'repeated' with a receipt, else 'exists'. ]]
--- @include operations
--- @include changes
--- @include rates
--- @include receipts
--- @include counter
local root, operation, now = KEYS[1], KEYS[2], tonumber(ARGV[1])
local id, user, name, cap = ARGV[2], ARGV[3], ARGV[14], cjson.decode(ARGV[7])
local limits = ARGV[12] ~= '' and cjson.decode(ARGV[12])
local keepMs = cjson.decode(ARGV[11]).keepMs
local before = replayed(KEYS[5], ARGV[17], now)
if before then return before end
if redis.call('EXISTS', operation) == 1 then return { 'exists' } end
local isActive = cap.decoy or redis.call('HGET', KEYS[4], 's') == 'active'
if not isActive and name == '' then return { 'user_not_active' } end

local fields = cjson.decode(ARGV[4])
local of = {}
for i = 1, #fields, 2 do of[fields[i]] = fields[i + 1] end

-- Ends of what is pending and of what is past its time, oldest first: of the client's, whose name each has. What came of an
-- offer is not among them.
local function openOf(owner)
  local open = { live = {}, ours = {}, late = {}, lateByName = {} }
  local list = root .. NAME.pendingOf .. owner
  for _, other in ipairs(redis.call('LRANGE', list, 0, -1)) do
    local state, ends, client, alias, offer =
      unpack(redis.call('HMGET', root .. NAME.operation .. other, 's', 'x', 'c', 'al', 'co'))
    if not state then
      redis.call('LREM', list, 1, other)
    elseif state == 'pending' and not offer then
      local one = { other, tonumber(ends) }
      if now < one[2] then
        open.live[#open.live + 1] = one
        if client == of.c then open.ours[#open.ours + 1] = one end
      elseif client == of.c then
        open.late[#open.late + 1] = one[2]
        if alias == name then open.lateByName[#open.lateByName + 1] = one[2] end
      end
    end
  end
  return open
end

-- When one more would fit under `limit`: the end of the one that has to go first.
local function freeAt(open, limit)
  local ends = {}
  for i, one in ipairs(open) do ends[i] = one[2] end
  table.sort(ends)
  return ends[#ends - limit + 1] or now
end

-- Of what this device has claimed and not answered, the oldest: those that have to go for one more.
local function claimsBeyond(limit)
  local claims, beyond = {}, {}
  for _, other in ipairs(pendingIn(root, root .. NAME.pendingOf .. user, now)) do
    local offer, device = unpack(redis.call('HMGET', root .. NAME.operation .. other, 'co', 'd'))
    if offer and device == of.d then claims[#claims + 1] = other end
  end
  for i = 1, #claims - limit + 1 do beyond[i] = claims[i] end
  return beyond
end

local superseded, refusal, hidden = {}, nil, nil
if of.co then
  if cap.claims then superseded = claimsBeyond(cap.claims) end
elseif of.k ~= 'registration' then
  local person = openOf(user)
  local ours, lateByName = person.ours, person.lateByName
  if name ~= '' then
    local other = openOf(name)
    for _, one in ipairs(other.ours) do ours[#ours + 1] = one end
    for _, at in ipairs(other.late) do lateByName[#lateByName + 1] = at end
  end
  local going = {}
  if #ours >= cap.perClient then
    if cap.replace then
      for i = 1, #ours - cap.perClient + 1 do
        superseded[i] = ours[i][1]
        going[superseded[i]] = true
      end
    else
      refusal = { 'client', freeAt(ours, cap.perClient) }
    end
  end
  local staying = {}
  for _, one in ipairs(person.live) do
    if not going[one[1]] then staying[#staying + 1] = one end
  end
  if not cap.decoy and #staying >= cap.perUser then hidden = { 'user', freeAt(staying, cap.perUser) } end

  if limits then
    local notes = notesAsOf(root, user, now)
    if cap.decoy then
      refusal = later(refusal, ofClient(notes[of.c] or {}, person.late, limits, now))
    else
      hidden = later(hidden, ofPerson(notes, of.c, person.late, limits, now))
    end
    if name ~= '' then
      refusal = later(refusal, ofClient(notesAsOf(root, name, now)[of.c] or {}, lateByName, limits, now))
    end
  end
  if name == '' then refusal = later(refusal, hidden) end

  local told = refusal ~= nil
  if limits and (refusal or hidden) then
    noteRefusal(root, id, user, of.c, refusal or hidden, told, ARGV[13], keepMs, now)
  end
  if told then return { 'refused', refusal[1], string.format('%.0f', refusal[2]) } end
end

for _, other in ipairs(superseded) do
  endOperation(root, other, 'cancelled', now, 'superseded')
  if ARGV[8] ~= '' then
    local head = string.format('{"id":"%s.operation.superseded","operationId":"%s",', other, other)
    writeEvents(root, { { head .. ARGV[8], other, ARGV[9], tonumber(ARGV[10]) } }, keepMs)
  end
end

local unasked = not isActive and 'not_active' or (hidden and hidden[1]) or ''
insertOperation(root, id, ARGV[4], ARGV[5], ARGV[6], unasked ~= '' and name or nil)
if ARGV[16] ~= '' then redis.call('SET', root .. NAME.document .. id, ARGV[16], 'PX', ARGV[6]) end
if limits and of.k ~= 'registration' then
  if unasked == '' then noteStart(root, user, of.c, limits, now) end
  if name ~= '' then noteStart(root, name, of.c, limits, now) end
end
writeReceipt(KEYS[5], ARGV[17], now)
writeChanges(root, unasked ~= '' and ARGV[15] or ARGV[11])
noteCounter(root, nil, ARGV[18])
return { 'started', superseded, unasked }
