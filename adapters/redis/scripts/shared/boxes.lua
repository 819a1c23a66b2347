-- Of a device with a box pair: when it was made, and until when the former one opens messages. For upkeep.
local function indexBox(root, device)
  local text = redis.call('HGET', device, 'bx')
  if not text then return end
  local id, box = string.sub(device, #root + #NAME.device + 1), cjson.decode(text)
  redis.call('ZADD', root .. NAME.boxesMade, string.format('%.0f', box.createdAt), id)
  if box.former then
    redis.call('ZADD', root .. NAME.boxesFormer, string.format('%.0f', box.former['until']), id)
  else
    redis.call('ZREM', root .. NAME.boxesFormer, id)
  end
end
