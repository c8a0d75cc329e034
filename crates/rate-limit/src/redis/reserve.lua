-- Reserves slots in the record that a fleet shares, on this server's clock; takes reports and returns with it.
--
-- KEYS[1]  sorted set: one member per permit, its score the latest instant (us) at which that permit may be released
-- KEYS[2]  hash: epoch (when the record began), last (from when on the next slot of a spaced quota may be), dear (the most
--          permits of one slot that `last` may be due to), pace (the longest interval of these), window (the longest ever
--          asked for), kept (the longest in use: how old a member gets), wide (when that was last asked for), most (the
--          largest quota in use), gone (how many members have left the set because of their age, or their number, or have
--          been lost), left (the score of the last of these), held (how many are in the set), top (the highest score)
-- ARGV     see `Ask::invocation`
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

local lateness, arrival, interval, horizon, least = number(), number(), number(), number(), number()
local epoch, known = number(), number()
local prefix, id = text(), number()
local tells = number() == 1

local quotas, own, most, shortest = {}, 0, 0, math.huge
for q = 1, number() do
  quotas[q] = { number(), number() }
  shortest = math.min(shortest, quotas[q][2])
  own, most = math.max(own, quotas[q][2]), math.max(most, quotas[q][1])
end
local state = redis.call('HMGET', head, 'epoch', 'last', 'window', 'gone', 'left', 'kept', 'wide', 'most',
  'held', 'top', 'dear', 'pace')
local began, last = tonumber(state[1] or 0), tonumber(state[2] or 0)
local gone, left = tonumber(state[4] or 0), tonumber(state[5] or 0)
local longest = math.max(own, tonumber(state[3] or 0))
local kept, wide = tonumber(state[6] or 0), tonumber(state[7] or 0)
local dear, pace = tonumber(state[11] or 0), tonumber(state[12] or 0)

-- No slot is further ahead than this; if the last one is, the clock has gone back, and the record is worthless.
local ahead = 8 * longest
if last > now + ahead + longest + 1000000 then
  redis.call('DEL', log, head)
  began, last, gone, left, kept = 0, 0, 0, 0, 0
else
  -- Members go by this script only. If there are fewer than it has left, the set has been lost, and the hash has not (either can
  -- be evicted alone): then each of them counts as released when the last could be, as it does for who comes and knows nothing.
  local lost = tonumber(state[9] or 0) - redis.call('ZCARD', log)
  if lost > 0 then
    gone, left = gone + lost, math.max(left, tonumber(state[10]))
  end
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
-- The score of a rank, from the highest on, which is 0.
local function score(rank)
  return tonumber(redis.call('ZREVRANGE', log, rank, rank, 'WITHSCORES')[2])
end
if began == 0 then
  began = now
  -- If there is a log, nobody knows what its slots cost; but no call costs more than a window.
  last, dear, pace = math.min((score(0) or 0) + own, now + ahead + longest), 1, own
end
if last <= now then
  dear, pace = 0, 0
end
pace = math.max(pace, interval)

for _ = 1, number() do
  local member, at = prefix .. text(), text()
  if redis.call('ZADD', log, at, member) == 1 then
    -- It had no slot here. By now it has been released, whatever is not known of the clocks.
    last, dear = math.max(last, math.min(at, now) + interval), math.max(dear, 1)
  end
end
local returned = 0
for _ = 1, number() do
  returned = returned + redis.call('ZREM', log, prefix .. text())
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
    local found = score(rank)
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
local function record(id, cost, at, till)
  for _ = 1, cost do
    redis.call('ZADD', log, whole(till), prefix .. whole(id))
    id = id + 1
  end
  last, dear = math.max(last, at + interval * cost), math.max(dear, cost)
end

-- A new one, which may be used from its time on, but not before the answer is there: see `Ask::end`. `last` stays within the
-- second by which a clock that has gone back is told.
local function reserve(id, cost, at)
  record(id, cost, math.max(at, now + math.min(arrival, 1000000)), math.max(at, now + arrival) + lateness)
end

-- What was given back may leave room behind the others' slots, for those that are to be moved, too. Of the others only the
-- ends are known. But a slot that costs c is no later than the c-th of these which are its own, so none is followed by another
-- any sooner than this.
local function room(moving)
  local followed, rank, at = math.max(now, left + pace * dear), 0, 0
  local ends = redis.call('ZREVRANGE', log, 0, dear + moving.count - 1, 'WITHSCORES')
  while rank < dear and ends[at + 1] do
    if not moving[ends[at + 1]] then
      rank = rank + 1
      followed = math.max(followed, ends[at + 2] + pace * rank)
    end
    at = at + 2
  end
  last = math.min(last, followed)
end

local reply = { now, 0, began, 0 }
local missed = began ~= epoch and known > 0
-- Slots far ahead, which may come sooner since others have given theirs back.
local moves, moving = {}, { count = 0 }
for m = 1, number() do
  local first, cost, at, till = number(), number(), number(), number()
  moves[m] = { first, cost, at, till }
  for one = first, missed and 0 or first + cost - 1 do
    moving[prefix .. whole(one)], moving.count = true, moving.count + 1
  end
end
if interval > 0 and last > now and returned + moving.count > 0 then
  room(moving)
end
if missed then
  -- The record is not the one this process has reported to.
  reply[2] = 2
else
  for _, move in ipairs(moves) do
    local first, cost, at, till = unpack(move)
    for one = first, first + cost - 1 do
      redis.call('ZREM', log, prefix .. whole(one))
    end
    local better = slot(cost)
    if better < at then
      reserve(first, cost, better)
      reply[#reply + 1] = better - now
    else
      record(first, cost, at, till)
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
    reserve(id, cost, at)
    id = id + cost
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
  'held', redis.call('ZCARD', log), 'top', whole(score(0) or 0), 'dear', whole(dear), 'pace', whole(pace),
  'gone', whole(gone), 'left', whole(left), 'kept', whole(kept), 'wide', whole(wide), 'most', whole(most))
-- Even the longest window may come again. A margin for those that are later than this caller, and whose answers take longer.
local life = whole(math.ceil((math.max(last - now, arrival) + lateness + longest) / 1000) + 15000)
redis.call('PEXPIRE', log, life)
redis.call('PEXPIRE', head, life)
return reply
