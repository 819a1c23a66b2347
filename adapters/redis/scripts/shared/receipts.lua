-- Receipts: the outcome of a signed message. `receipt` is JSON { jwsHash, outcome, until }, or '' for none; `key` its key.
local function replayed(key, receipt, now)
  if receipt == '' then return nil end
  local hash, outcome, ends = unpack(redis.call('HMGET', key, 'h', 'o', 'u'))
  if not hash or now >= tonumber(ends) then return nil end
  if hash ~= cjson.decode(receipt).jwsHash then return { 'message_reused' } end
  return { 'repeated', outcome }
end

local function writeReceipt(key, receipt, now)
  if receipt == '' then return end
  local given = cjson.decode(receipt)
  local ends = given['until']
  redis.call('HSET', key, 'h', given.jwsHash, 'o', given.outcome, 'u', string.format('%.0f', ends))
  redis.call('PEXPIRE', key, math.max(ends - now, 0) + 3600000)
end
