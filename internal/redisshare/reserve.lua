-- Reserves the next free turn of one action. A turn is the moment at which one call may
-- be sent. Each turn comes at least one window after the turn that lies QPS turns
-- before it. All times are in microseconds of Redis's clock, because the clocks of the
-- processes differ.
--
-- A turn that was handed back before its time is free: the next call gets the earliest of
-- these. Then it does not matter to the other turns who has it.
--
-- KEYS[1]  the list of the last QPS turns, oldest first
-- KEYS[2]  the sorted set of the turns that were handed back
-- ARGV[1]  QPS, how many turns may lie in one window
-- ARGV[2]  the window
-- ARGV[3]  the longest wait that the caller accepts, or -1 for any
--
-- Returns the wait until the turn, and its time, or 0 if the wait is too long.
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local qps, window, max_wait = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
redis.call('ZREMRANGEBYSCORE', KEYS[2], '-inf', string.format('(%.0f', now))
local unused = redis.call('ZRANGE', KEYS[2], 0, 0, 'WITHSCORES')
local turn = now
if unused[1] then
	turn = tonumber(unused[2])
else
	local earlier = redis.call('LINDEX', KEYS[1], -qps)
	if earlier then
		turn = math.max(now, tonumber(earlier) + window)
	end
end
local wait = turn - now
if max_wait >= 0 and wait > max_wait then
	return {wait, 0}
end
if unused[1] then
	redis.call('ZREM', KEYS[2], unused[1])
	return {wait, turn}
end
redis.call('RPUSH', KEYS[1], string.format('%.0f', turn))
redis.call('LTRIM', KEYS[1], -qps, -1)
-- One window after the last turn, the list delays nobody any more.
redis.call('PEXPIRE', KEYS[1], math.ceil((wait + window) / 1000))
return {wait, turn}
