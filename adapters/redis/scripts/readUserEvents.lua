--[[ readUserEvents   a user's events, newest first.
  KEYS[1] root   KEYS[2] the user's list
  ARGV[1] at most so many
  returns array of JSON texts ]]
local found, limit, last = {}, tonumber(ARGV[1]), -1
while #found < limit do
  local texts = redis.call('LRANGE', KEYS[2], last - limit + 1, last)
  if #texts == 0 then break end
  for i = #texts, 1, -1 do
    local text = texts[i]
    -- '@<at> <index> <operation>': kept with the operation, whose id is not in the text again, or gone with it.
    local index, operation = string.match(text, '^@%S+ (%d+) (%S+)$')
    if index then
      text = redis.call('LINDEX', KEYS[1] .. NAME.eventsOfOperation .. operation, index)
      text = text and '{"operationId":"' .. operation .. '",' .. string.sub(text, 2)
    end
    if text and #found < limit then found[#found + 1] = text end
  end
  last = last - limit
end
return found
