--- @include changes
-- The `ctr` of a signed message: '' for none, else JSON { value, changes as JSON: what is written where it is not above the highest }.
local function noteCounter(root, device, counter)
  if counter == '' then return end
  local value, suspected = unpack(cjson.decode(counter))
  local highest = redis.call('HGET', device, 'ct')
  if highest and value <= tonumber(highest) then
    writeChanges(root, suspected)
  else
    redis.call('HSET', device, 'ct', string.format('%.0f', value))
  end
end
