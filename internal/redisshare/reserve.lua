-- Reserves the next free turn of one action. A turn is the moment at which one call may
-- be sent. Each turn comes at least one window after the turn that lies QPS turns
-- before it. All times are in microseconds of Redis's clock, because the clocks of the
-- processes differ.
--
-- A turn that was handed back before its time is free: the next call gets the earliest of
-- these. Then it does not matter to the other turns who has it.
--
-- A process may send later than at its turn. So a call that has waited for its turn is not sent
-- before send.lua allows it, which looks at when the earlier calls were really sent. A call whose
-- turn is now may be sent without that.
--
-- KEYS[1]  the list of the last QPS turns, oldest first
-- KEYS[2]  the sorted set of the turns that were handed back
-- KEYS[3]  the sorted set of the last QPS calls that were sent
-- ARGV[1]  QPS, how many turns may lie in one window
-- ARGV[2]  the window
-- ARGV[3]  the longest wait that the caller accepts, or -1 for any
-- ARGV[4]  the name of the call
--
-- Returns the wait until the turn, its time, or 0 if the wait is too long, and 1 if the call may be
-- sent now, or else 0.
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local qps, window, max_wait = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
redis.call('ZREMRANGEBYSCORE', KEYS[2], '-inf', string.format('(%.0f', now))
local unused = redis.call('ZRANGE', KEYS[2], 0, 0, 'WITHSCORES')
local sent = redis.call('ZREVRANGE', KEYS[3], qps - 1, qps - 1, 'WITHSCORES')
local free = sent[2] and tonumber(sent[2]) + window or now
local turn
if unused[1] then
	turn = tonumber(unused[2])
else
	local earlier = redis.call('LINDEX', KEYS[1], -qps)
	turn = math.max(now, free, earlier and tonumber(earlier) + window or now)
end
local wait = turn - now
if max_wait >= 0 and wait > max_wait then
	return {wait, 0, 0}
end
local may_send = 0
if wait == 0 and free <= now then
	may_send = 1
	redis.call('ZADD', KEYS[3], string.format('%.0f', now), ARGV[4])
	redis.call('ZREMRANGEBYRANK', KEYS[3], 0, -qps - 1)
	redis.call('PEXPIRE', KEYS[3], math.ceil(window / 1000))
end
if unused[1] then
	redis.call('ZREM', KEYS[2], unused[1])
	return {wait, turn, may_send}
end
redis.call('RPUSH', KEYS[1], string.format('%.0f', turn))
redis.call('LTRIM', KEYS[1], -qps, -1)
-- One window after the last turn, the list delays nobody any more.
redis.call('PEXPIRE', KEYS[1], math.ceil((wait + window) / 1000))
return {wait, turn, may_send}
