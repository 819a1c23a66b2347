--- @include operations
--- @include events
--[[ What ends with a device. `closed`: the event of each operation that ends so, JSON { text from after the brace, user's key part, at },
  '' for none.

  Taken away: what only it could answer, and tickets that it made. Locked: the tickets alone. Else a thief's ticket would outlive the device. ]]
local function endWithDevice(root, device, now, state, closed, keepMs)
  local id, user = string.sub(device, #root + #NAME.device + 1), redis.call('HGET', device, 'u')
  local ended = {}
  for _, name in ipairs({ NAME.pendingOf, NAME.ticketsOf }) do
    for _, other in ipairs(pendingIn(root, root .. name .. user, now)) do
      local named, kind, client = unpack(redis.call('HMGET', root .. NAME.operation .. other, 'd', 'k', 'c'))
      local isMade = kind == 'registration' and client == 'device:' .. id
      if isMade or (state == 'deactivated' and named == id) then
        endOperation(root, other, 'cancelled', now, 'device_' .. state)
        ended[#ended + 1] = other
        if closed ~= '' then
          local tail, subject, at = unpack(cjson.decode(closed))
          local head = '{"id":"%s.operation.cancelled","operationId":"%s","deviceId":"%s",'
          writeEvents(root, { { string.format(head, other, other, id) .. tail, other, subject, at } }, keepMs)
        end
      end
    end
  end
  return ended
end
