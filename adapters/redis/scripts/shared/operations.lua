--- @include wake
--- @include outbox
--- @include hash
--- @include limits
-- What scripts know of operations. `operation`: the hash's key. `now`: epoch ms, a number.

-- An operation past its time is not pending, whether the sweep has written that or not.
local function isPending(operation, now)
  local state, expiresAt = unpack(redis.call('HMGET', operation, 's', 'x'))
  return state == 'pending' and now < tonumber(expiresAt)
end

local function listOf(root, kind, user)
  if kind == 'registration' then return root .. NAME.ticketsOf .. user end
  return root .. NAME.pendingOf .. user
end

-- A new pending operation with its indexes and wake-up. `fields`: JSON array of name, value, name, value … `decoy`: for this one instead.
local function insertOperation(root, id, fields, body, lifetimeMs, decoy)
  local operation = root .. NAME.operation .. id
  redis.call('HSET', operation, unpack(cjson.decode(fields)))
  if decoy then
    redis.call('HSET', operation, 'u', decoy)
    redis.call('HDEL', operation, 'al')
  end
  redis.call('SET', root .. NAME.body .. id, body, 'PX', lifetimeMs)
  redis.call('PEXPIRE', operation, lifetimeMs)
  local kind, user, expiresAt = unpack(redis.call('HMGET', operation, 'k', 'u', 'x'))
  redis.call('RPUSH', listOf(root, kind, user), id)
  redis.call('ZADD', root .. NAME.due, expiresAt, id)
  wake(root, id, 'pending', user)
end

-- What the client is owed goes from the record into the outbox; what stays is how it was to learn of the end (S-13).
local function notify(root, id, state, finishedAt, reason)
  local operation = root .. NAME.operation .. id
  local mode, sealed, user, retainUntil = unpack(redis.call('HMGET', operation, 'nm', 'ns', 'u', 'r'))
  if not sealed then return end
  redis.call('HDEL', operation, 'ns')
  if reason == 'cancelled_by_client' or (state == 'expired' and mode == 'ping') then return end
  local rest = cjson.encode({ kind = mode, operationId = id, userId = user, payload = sealed })
  enqueue(root, { { id .. '.notify', finishedAt, tonumber(retainUntil), rest } })
end

-- pending -> state, with indexes, notification and wake-up. The caller has checked that it is pending. Until here the index of due
-- operations was its place in an index of ends; from here it is that of garbage.
local function endOperation(root, id, state, finishedAt, reason)
  local operation = root .. NAME.operation .. id
  local kind, user, retainUntil = unpack(redis.call('HMGET', operation, 'k', 'u', 'r'))
  redis.call('HSET', operation, 's', state, 'f', string.format('%.0f', finishedAt))
  if reason then redis.call('HSET', operation, 'e', reason) end
  redis.call('HINCRBY', operation, 'v', 1)
  redis.call('LREM', listOf(root, kind, user), 1, id)
  -- the device that came of the ticket has a copy of its own
  if kind == 'registration' then redis.call('HDEL', operation, 'tx') end
  redis.call('ZREM', root .. NAME.due, id)
  -- nobody can fetch it any longer
  redis.call('DEL', root .. NAME.document .. id)
  notify(root, id, state, finishedAt, reason)
  redis.call('ZADD', root .. NAME.garbage, retainUntil, 'o' .. id)
  if kind ~= 'registration' then noteEnd(root, operation, state, finishedAt, reason) end
  wake(root, id, state, user)
end

-- Ids in one of a user's lists that are pending at now, oldest first. Ids of records that are gone leave the list.
local function pendingIn(root, list, now)
  local ids = {}
  for _, id in ipairs(redis.call('LRANGE', list, 0, -1)) do
    local operation = root .. NAME.operation .. id
    if redis.call('EXISTS', operation) == 0 then
      redis.call('LREM', list, 1, id)
    elseif isPending(operation, now) then
      ids[#ids + 1] = id
    end
  end
  return ids
end

-- Cancels a user's pending operations, tickets included.
local function cancelPending(root, user, now, reason)
  local closed = {}
  for _, name in ipairs({ NAME.pendingOf, NAME.ticketsOf }) do
    for _, id in ipairs(pendingIn(root, root .. name .. user, now)) do
      endOperation(root, id, 'cancelled', now, reason)
      closed[#closed + 1] = id
    end
  end
  return closed
end

-- A record as scripts give it back: id, packed body, fields; the body right before the fields (scripts.ts).
local function readOperation(root, id)
  local operation = root .. NAME.operation .. id
  if redis.call('EXISTS', operation) == 0 then return false end
  return { id, redis.call('GET', root .. NAME.body .. id), hash(operation) }
end
