-- Allows a call to be sent whose turn has come, see reserve.lua, or moves a call that was sent to
-- now, because its process sent it later than was allowed. All times are in microseconds of
-- Redis's clock.
--
-- KEYS[1]  the sorted set of the last QPS calls that were sent
-- ARGV[1]  QPS, how many calls may be sent in one window
-- ARGV[2]  the window
-- ARGV[3]  the name of the call
-- ARGV[4]  "allow" or "move"
--
-- Returns 0, or how long the call has to wait before it asks again.
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local qps, window = tonumber(ARGV[1]), tonumber(ARGV[2])
if ARGV[4] == 'allow' then
	local sent = redis.call('ZREVRANGE', KEYS[1], qps - 1, qps - 1, 'WITHSCORES')
	if sent[2] and tonumber(sent[2]) + window > now then
		return tonumber(sent[2]) + window - now
	end
end
redis.call('ZADD', KEYS[1], string.format('%.0f', now), ARGV[3])
redis.call('ZREMRANGEBYRANK', KEYS[1], 0, -qps - 1)
-- One window after the last call, the set delays nobody any more.
redis.call('PEXPIRE', KEYS[1], math.ceil(window / 1000))
return 0
