--- @include limits
-- What refuses a start. Each answers { limit, instant from which it does not }, or nothing.

local function rate(limit, starts, allowed, now)
  local counted = {}
  for _, at in ipairs(starts) do
    if at > now - allowed.windowMs then counted[#counted + 1] = at end
  end
  if allowed.starts == 0 or #counted < allowed.starts then return nil end
  table.sort(counted)
  return { limit, counted[#counted - allowed.starts + 1] + allowed.windowMs }
end

-- `late`: ends of operations of the client that are past their time, which no sweep has written down yet.
local function backOff(note, late, allowed, now)
  local sum = { n = note.n, a = note.a }
  table.sort(late)
  for _, at in ipairs(late) do addFailure(sum, at) end
  if allowed.firstMs == 0 or (sum.n or 0) == 0 or now - sum.a >= DAY then return nil end
  local ends = sum.a + math.min(allowed.firstMs * 2 ^ (sum.n - 1), allowed.maxMs)
  return ends > now and { 'back_off', ends } or nil
end

local function blocked(note, notMeMs, now)
  local ends = note.m and note.m + notMeMs or 0
  return ends > now and { 'not_me', ends } or nil
end

-- A clock that was set back stops nobody until the time has come again: what lies ahead of `now` counts as of now, from then on.
local function notesAsOf(root, user, now)
  local notes, isAhead = notesOf(root, user), false
  for _, note in pairs(notes) do
    local ahead = (note.a or 0) > now or (note.m or 0) > now
    for i, at in ipairs(note.s or {}) do
      if at > now then note.s[i], ahead = now, true end
    end
    if ahead then
      note.a, note.m, note.t = note.a and math.min(note.a, now), note.m and math.min(note.m, now), nil
      isAhead = true
    end
  end
  if isAhead then writeNotes(root, user, notes, now) end
  return notes
end

local function startsIn(notes)
  local all = {}
  for _, note in pairs(notes) do
    for _, at in ipairs(note.s or {}) do all[#all + 1] = at end
  end
  return all
end

-- Whoever comes again then is let through by all of them.
local function later(one, other)
  if not one or (other and other[2] > one[2]) then return other end
  return one
end

-- One client and one person, or one name.
local function ofClient(note, late, limits, now)
  return later(rate('client_rate', note.s or {}, limits.perClient, now), backOff(note, late, limits.backOff, now))
end

-- What depends on others, and on what the person did.
local function ofPerson(notes, client, late, limits, now)
  local note = notes[client] or {}
  local refusal = later(ofClient(note, late, limits, now), rate('user_rate', startsIn(notes), limits.perUser, now))
  return later(refusal, blocked(note, limits.notMeMs, now))
end

local function noteStart(root, user, client, limits, now)
  local notes = notesOf(root, user)
  local note = notes[client] or {}
  local since, kept = now - math.max(limits.perClient.windowMs, limits.perUser.windowMs), {}
  for _, at in ipairs(note.s or {}) do
    if at > since then kept[#kept + 1] = at end
  end
  kept[#kept + 1] = now
  note.s = kept
  notes[client] = note
  writeNotes(root, user, notes, now)
end

-- The event of a refusal, unless the last one still tells of it. `event`: JSON array of text from after the brace, user's key part, at.
local function noteRefusal(root, id, user, client, refusal, told, event, keepMs, now)
  if event == '' then return end
  local notes = notesOf(root, user)
  local note = notes[client] or {}
  if now < (note.t or 0) then return end
  note.t = refusal[2]
  notes[client] = note
  writeNotes(root, user, notes, now)
  local tail, subject, at = unpack(cjson.decode(event))
  local head = '{"id":"%s.operation.refused","data":{"limit":"%s","told":%s},'
  writeEvents(root, { { string.format(head, id, refusal[1], tostring(told)) .. tail, '', subject, at } }, keepMs)
end
