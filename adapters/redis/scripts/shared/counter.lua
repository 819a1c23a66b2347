--- @include changes
-- The `ctr` of a signed message: '' for none, else JSON { value, changes as JSON: what is written where it is not above the highest, id of
-- its sender where that is not this device }.
local function noteCounter(root, device, counter)
  if counter == '' then return end
  local value, suspected, sender = unpack(cjson.decode(counter))
  if sender then device = root .. NAME.device .. sender end
  if redis.call('EXISTS', device) == 0 then return end
  local highest = redis.call('HGET', device, 'ct')
  if highest and value <= tonumber(highest) then
    writeChanges(root, suspected)
  else
    redis.call('HSET', device, 'ct', string.format('%.0f', value))
  end
end
