--[[ liftLimits   forgets what was noted of a person for the limits of starts.
  KEYS[1] root   KEYS[2] notes
  ARGV[1] now, epoch ms   ARGV[2] user id   ARGV[3] '=' and the client, '' for all   ARGV[4] changes
  returns 1 there was something, or 0
  Repeated: 0. ]]
--- @include limits
--- @include changes
local root, now, user = KEYS[1], tonumber(ARGV[1]), ARGV[2]
local notes = notesOf(root, user)
if ARGV[3] == '' then
  if not next(notes) then return 0 end
  notes = {}
else
  local client = string.sub(ARGV[3], 2)
  if not notes[client] then return 0 end
  notes[client] = nil
end
writeNotes(root, user, notes, now)
writeChanges(root, ARGV[4])
return 1
