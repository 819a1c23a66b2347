--- @include events
--[[ How often a person may be asked (StartLimits of the port). Of one person, or of nobody under one name: JSON, a note by client.
    s instants of starts, the last one and all that a rate may count
    n how many ended without a yes, the first that failed left out      a when the last of them did
    m when the person said not_me                                       t until when a refusal has been told of in the audit trail
  All instants in epoch ms. adapters/embedded/start-limits.ts does the same. ]]
local DAY = 86400000

local function notesOf(root, user)
  local text = redis.call('GET', root .. NAME.startNotes .. user)
  return text and cjson.decode(text) or {}
end

-- From when on nothing of it matters. An operation that it was noted for has ended by then.
local function endOfNote(note)
  local last = note.s and note.s[#note.s] or 0
  return math.max(last + DAY, (note.a or 0) + DAY, note.m and note.m + 7 * DAY or 0, note.t or 0)
end

local function writeNotes(root, user, notes, now)
  local last = 0
  for client, note in pairs(notes) do
    local ends = endOfNote(note)
    if ends <= now then notes[client] = nil else last = math.max(last, ends) end
  end
  local key = root .. NAME.startNotes .. user
  if last == 0 then redis.call('DEL', key) return end
  redis.call('SET', key, cjson.encode(notes), 'PX', string.format('%.0f', last - now + HOUR))
end

local function addFailure(note, at, isTry)
  local isAnew = not note.n or at - note.a >= DAY
  -- who mistypes once may try again at once
  if isAnew then note.n = isTry and 0 or 1 else note.n = note.n + 1 end
  note.a = math.max(note.a or 0, at)
end

-- What the end of an operation means for the next start. Only where its start was noted.
local function noteEnd(root, operation, state, at, reason)
  local isUnanswered = state == 'expired' or (state == 'cancelled' and reason == 'superseded')
  local isRefused = state == 'denied' or state == 'failed'
  if not isUnanswered and not isRefused and state ~= 'approved' then return end
  local client, user, name, offer = unpack(redis.call('HMGET', operation, 'c', 'u', 'al', 'co'))
  if offer then return end
  for _, of in ipairs({ user, name and not isRefused and name or nil }) do
    local notes = notesOf(root, of)
    local note = notes[client]
    if note then
      if state == 'approved' then note.n, note.a = nil, nil else addFailure(note, at, state == 'failed') end
      if reason == 'not_me' then note.m = at end
      writeNotes(root, of, notes, at)
    end
  end
end
