-- Why a device's record may not be replaced: missing, in none of these states (JSON array), or of another version.
local function refusalOf(device, version, states)
  local stored, state = unpack(redis.call('HMGET', device, 'v', 's'))
  if not stored then return { 'missing' } end
  local allowed = false
  for _, one in ipairs(cjson.decode(states)) do allowed = allowed or one == state end
  if not allowed then return { 'refused', state } end
  if version and stored ~= version then return { 'stale' } end
  return nil
end

local function replaceDevice(device, set, removed)
  redis.call('HDEL', device, 'np', unpack(cjson.decode(removed)))
  redis.call('HSET', device, unpack(cjson.decode(set)))
  redis.call('HINCRBY', device, 'v', 1)
end
