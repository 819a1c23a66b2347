--[[ Tries under way: reserved, without an outcome yet, and no longer ago than a lease. One hash for a user, of "<what it counts on> <hash of
  the message>" and the end of the lease in epoch ms; what it counts on is 'o' and an operation, 'p' or 'n' and a device: its PIN or its number. ]]
local function triesOf(root, user)
  return root .. NAME.triesUnderWay .. user
end

local function beginTry(tries, on, message, now, leaseMs)
  local fields = {}
  for _, one in ipairs(on) do
    fields[#fields + 1] = one .. ' ' .. message
    fields[#fields + 1] = string.format('%.0f', now + leaseMs)
  end
  redis.call('HSET', tries, unpack(fields))
  redis.call('PEXPIRE', tries, string.format('%.0f', leaseMs + 3600000))
end

-- Whether it was there, be it past its lease.
local function endTry(tries, on, message)
  local fields = {}
  for i, one in ipairs(on) do fields[i] = one .. ' ' .. message end
  return redis.call('HDEL', tries, unpack(fields)) > 0
end

-- For each of `on`, how many are under way for other messages. What is long past its lease leaves.
local function othersUnderWay(tries, on, message, now)
  local counts, place = {}, {}
  for i, one in ipairs(on) do counts[i], place[one] = 0, i end
  local all = redis.call('HGETALL', tries)
  for i = 1, #all, 2 do
    local counted, of = string.match(all[i], '^(%S+) (%S+)$')
    local ends = tonumber(all[i + 1])
    if ends + 3600000 <= now then redis.call('HDEL', tries, all[i]) end
    if place[counted] and of ~= message and ends > now then counts[place[counted]] = counts[place[counted]] + 1 end
  end
  return counts
end

-- A right PIN and a right number clear what was counted, but for tries that are under way: those count until they have ended.
local function clearFailures(device, pin, number, others)
  if pin then
    redis.call('HSET', device, 'fp', others[1])
    if tonumber(redis.call('HGET', device, 'fl')) > 0 then redis.call('HINCRBY', device, 'fl', -1) end
  end
  if number then redis.call('HSET', device, 'fn', others[2]) end
end
