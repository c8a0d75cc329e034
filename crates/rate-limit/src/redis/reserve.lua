-- Reserves slots in the record that a fleet shares, on this server's clock; takes reports and returns with it.
--
-- KEYS[1]  sorted set: one member per permit, its score the latest instant (us) at which that permit may be released
-- KEYS[2]  hash: epoch (when the record began), last (the end of the last slot), window (the longest ever asked for), kept (the
--          longest in use: how old a member gets), wide (when that was last asked for), most (the largest quota in use), gone
--          (how many members have left the set because of their age, or their number), left (the score of the last of these)
-- ARGV     see `Ask::arguments`
-- Returns  { now, status, epoch, wait until one more slot, wait of each slot that could be moved ...,
--            wait of each slot reserved ..., permits free in each quota and wait until there are more ... }, in us; a slot
--            that was not moved has -1, a quota of which nothing is used has no wait, 0
local log, head = KEYS[1], KEYS[2]
local place = 0
local function text()
  place = place + 1
  return ARGV[place]
end
local function number()
  return tonumber(text())
end
-- Lua would write large numbers with an exponent.
local function whole(x)
  return string.format('%.0f', x)
end

local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local deadline = number()
if deadline > 0 and now > deadline then
  -- Who asked has given up; a slot would be lost.
  return { now, 1, 0, 0 }
end

local lateness, interval, horizon, least = number(), number(), number(), number()
local epoch, known = number(), number()
local prefix, id = text(), number()
local tells = number() == 1

local quotas, own, most, shortest = {}, 0, 0, math.huge
for q = 1, number() do
  quotas[q] = { number(), number() }
  shortest = math.min(shortest, quotas[q][2])
  own, most = math.max(own, quotas[q][2]), math.max(most, quotas[q][1])
end
local state = redis.call('HMGET', head, 'epoch', 'last', 'window', 'gone', 'left', 'kept', 'wide', 'most')
local began, last = tonumber(state[1] or 0), tonumber(state[2] or 0)
local gone, left = tonumber(state[4] or 0), tonumber(state[5] or 0)
local longest = math.max(own, tonumber(state[3] or 0))
local kept, wide = tonumber(state[6] or 0), tonumber(state[7] or 0)

-- No slot is further ahead than this; if the last one is, the clock has gone back, and the record is worthless.
local ahead = 8 * longest
if last > now + ahead + longest + 1000000 then
  redis.call('DEL', log, head)
  began, last, gone, left, kept = 0, 0, 0, 0, 0
end
-- A window that nobody has asked for within its own length holds nothing of those who did: they are not kept for it. Should
-- it come again, it is as one that is longer than any before.
if now < wide + kept then
  most = math.max(most, tonumber(state[8] or 0))
else
  kept = 0
end
if own >= kept then
  kept, wide = own, now
end
if began == 0 then
  began = now
end

for _ = 1, number() do
  local member, at = prefix .. text(), text()
  redis.call('ZADD', log, at, member)
end
for _ = 1, number() do
  redis.call('ZREM', log, prefix .. text())
end
local old = redis.call('ZREVRANGEBYSCORE', log, whole(now - kept), '-inf', 'WITHSCORES', 'LIMIT', 0, 1)
if old[2] then
  gone = gone + redis.call('ZREMRANGEBYSCORE', log, '-inf', whole(now - kept))
  left = math.max(left, tonumber(old[2]))
end
if own < kept then
  -- What only a longer window holds counts no further back than its quota.
  local over = redis.call('ZCARD', log) - most
  if over > 0 then
    over = math.min(over, redis.call('ZCOUNT', log, '-inf', whole(now - own)))
  end
  if over > 0 then
    left = math.max(left, tonumber(redis.call('ZRANGE', log, over - 1, over - 1, 'WITHSCORES')[2]))
    gone = gone + redis.call('ZREMRANGEBYRANK', log, 0, over - 1)
  end
end

-- The earliest slot for so many permits: at most `n - cost` others may be released less than a window before it.
local function slot(cost)
  local at = now
  if interval > 0 then
    at = math.max(at, last)
  end
  for _, quota in ipairs(quotas) do
    local rank = quota[1] - cost
    local found = tonumber(redis.call('ZREVRANGE', log, rank, rank, 'WITHSCORES')[2])
    if (found or 0) < left and left + quota[2] > at and (found or rank < redis.call('ZCARD', log) + gone) then
      -- A longer window than was kept: what has left counts as if all had been released when the last was, even if one is
      -- found that was reported later than that.
      found = left
    end
    if found then
      at = math.max(at, found + quota[2])
    end
  end
  return at
end

-- Each permit has a number, from `id` on.
local function record(id, cost, at)
  for _ = 1, cost do
    redis.call('ZADD', log, whole(at), prefix .. whole(id))
    id = id + 1
  end
end

local reply = { now, 0, began, 0 }
local missed = began ~= epoch and known > 0
if missed then
  -- The record is not the one this process has reported to.
  reply[2] = 2
else
  -- Slots far ahead, which may come sooner since others have given theirs back.
  for _ = 1, number() do
    local first, cost, at, till = number(), number(), number(), number()
    for one = first, first + cost - 1 do
      redis.call('ZREM', log, prefix .. whole(one))
    end
    local better = slot(cost)
    if better < at then
      record(first, cost, better + lateness)
      reply[#reply + 1] = better - now
    else
      record(first, cost, till)
      reply[#reply + 1] = -1
    end
  end
  for granted = 1, number() do
    local cost = number()
    local at = slot(cost)
    -- The first may be far ahead. Of a lease, only what comes within a window: it is lost with a process that crashes.
    local reach = horizon
    if granted <= least then
      reach = granted == 1 and ahead or math.max(horizon, shortest)
    end
    if at > now + math.min(reach, ahead) then
      break
    end
    record(id, cost, at + lateness)
    id = id + cost
    last = math.max(last, at + interval * cost)
    reply[#reply + 1] = at - now
  end
end
reply[4] = slot(1) - now

if tells then
  for _, quota in ipairs(quotas) do
    local since = now - quota[2]
    local within = '(' .. whole(since)
    local used = redis.call('ZCOUNT', log, within, '+inf')
    local first = tonumber(redis.call('ZRANGEBYSCORE', log, within, '+inf', 'WITHSCORES', 'LIMIT', 0, 1)[2])
    if left > since then
      used, first = used + gone, left
    end
    reply[#reply + 1] = math.max(0, quota[1] - used)
    reply[#reply + 1] = first and first - since or 0
  end
end

redis.call('HSET', head, 'epoch', whole(began), 'last', whole(last), 'window', whole(longest),
  'gone', whole(gone), 'left', whole(left), 'kept', whole(kept), 'wide', whole(wide), 'most', whole(most))
-- Even the longest window may come again. A margin for those that are later than this caller, and whose answers take longer.
local life = whole(math.ceil((math.max(last - now, 0) + lateness + longest) / 1000) + 15000)
redis.call('PEXPIRE', log, life)
redis.call('PEXPIRE', head, life)
return reply
