-- wake(root, operation id, state, user id): tells whoever waits. The channel is <prefix>wake:<pp>; root is <prefix>{pp}:
local function wake(root, operationId, state, userId)
  local channel = string.sub(root, 1, -6) .. 'wake:' .. string.sub(root, -4, -3)
  redis.call('PUBLISH', channel, operationId .. ' ' .. state .. ' ' .. userId)
end
