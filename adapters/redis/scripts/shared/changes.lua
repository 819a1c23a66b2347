--- @include events
--- @include outbox
-- writeChanges(root, JSON): { events, outbox, keepMs }, what a change brings along; written in the same step.
local function writeChanges(root, json)
  local changes = cjson.decode(json)
  writeEvents(root, changes.events, changes.keepMs)
  enqueue(root, changes.outbox)
end
