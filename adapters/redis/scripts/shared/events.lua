--- @include wake
--- @include outbox
--[[ writeEvents(root, events, keepMs)
  events: array of { JSON text, operation's key part or '', user's key part or '', at in epoch ms,
                     and for a notice: until when, its id where it goes into the outbox as well }

  An event is stored once: with its operation if it has one, and then the user's list holds only where it lies,
  "@<at> <index> <operation>". The operation's list is never shortened, so the index stays right. ]]
-- What the collection of garbage takes an hour after its end lives for two: Redis is to be the slower one.
local HOUR = 3600000

local function noteEvent(list, garbage, member, text, at, keepMs)
  redis.call('RPUSH', list, text)
  redis.call('PEXPIRE', list, keepMs + 2 * HOUR)
  redis.call('ZADD', garbage, 'NX', at + keepMs, member)
end

-- Told to the user's devices for some days: the newest twenty, "<until> <JSON>". They are woken at once.
local function notice(root, user, text, at, ends, operation)
  local list = root .. NAME.noticesOf .. user
  redis.call('RPUSH', list, string.format('%.0f ', ends) .. text)
  redis.call('LTRIM', list, -20, -1)
  redis.call('PEXPIRE', list, math.max(ends - at, 0) + HOUR)
  wake(root, operation ~= '' and operation or user, 'noticed', user)
end

-- Told outside of the devices: by whoever handles the kind `notice`.
local function tellOutside(root, event)
  local text, operation, user, at, ends, id = unpack(event)
  local rest = cjson.encode({ kind = 'notice', operationId = operation, userId = user, payload = text })
  enqueue(root, { { id .. '.notice', at, ends, rest } })
end

local function writeEvents(root, events, keepMs)
  local garbage = root .. NAME.garbage
  for _, event in ipairs(events) do
    local text, operation, user, at = event[1], event[2], event[3], event[4]
    if event[5] and user ~= '' then
      if event[6] then tellOutside(root, event) end
      notice(root, user, text, at, event[5], operation)
    end
    if operation ~= '' then
      local list = root .. NAME.eventsOfOperation .. operation
      local index = redis.call('RPUSH', list, text) - 1
      redis.call('PEXPIRE', list, keepMs + 2 * HOUR)
      text = string.format('@%.0f %d %s', at, index, operation)
    end
    if user ~= '' then
      noteEvent(root .. NAME.eventsOfUser .. user, garbage, 'n' .. user, text, at, keepMs)
    elseif operation == '' then
      noteEvent(root .. NAME.eventsOfNobody, garbage, 'p', text, at, keepMs)
    end
  end
end
