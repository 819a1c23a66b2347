--- @include tries
-- What is used up of an operation's tries and a device's, and what of it is under way for other messages than this one.
local function tallyOf(root, operation, operationId, device, deviceId, message, now)
  local used, max, user = unpack(redis.call('HMGET', operation, 't', 'm', 'u'))
  local pin, number, lifetime = unpack(redis.call('HMGET', device, 'fp', 'fn', 'fl'))
  local on = { 'o' .. operationId, 'p' .. deviceId, 'n' .. deviceId }
  local others = othersUnderWay(triesOf(root, user), on, message, now)
  local all = { used, max, pin, number, lifetime, unpack(others) }
  for i, one in ipairs(all) do all[i] = tonumber(one) end
  return all
end
