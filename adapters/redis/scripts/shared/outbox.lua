--[[ enqueue(root, entries)
  entries: arrays of { id, dueAt, expiresAt, JSON text of the other members }. An id that is there already is left alone.

  The table holds "<dueAt> <expiresAt> <number> <JSON>" under the id; the due index "<number> <id>", so that entries of
  one instant keep the order in which they were given. ]]
local function memberOf(number, id)
  return string.format('%012.0f ', number) .. id
end

local function idOf(member)
  return string.sub(member, 14)
end

local function enqueue(root, entries)
  for _, entry in ipairs(entries) do
    local id, dueAt, expiresAt, rest = entry[1], entry[2], entry[3], entry[4]
    if redis.call('HEXISTS', root .. NAME.outbox, id) == 0 then
      local number = redis.call('INCR', root .. NAME.outboxNumbers)
      redis.call('HSET', root .. NAME.outbox, id, string.format('%.0f %.0f %.0f %s', dueAt, expiresAt, number, rest))
      redis.call('ZADD', root .. NAME.outboxDue, dueAt, memberOf(number, id))
    end
  end
end

local function readEntry(text)
  return string.match(text, '^(%S+) (%S+) (%S+) (.*)$')
end
