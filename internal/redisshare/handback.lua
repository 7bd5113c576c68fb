-- Hands back a turn whose caller gave up, see reserve.lua.
--
-- KEYS[1]  the sorted set of the turns that were handed back
-- ARGV[1]  the time of the turn
-- ARGV[2]  a text that no other turn has, because several turns may have the same time
local time = redis.call('TIME')
local wait = tonumber(ARGV[1]) - (time[1] * 1000000 + time[2])
if wait <= 0 then
	return 0
end
redis.call('ZADD', KEYS[1], ARGV[1], ARGV[2])
-- After its last turn, nobody needs the set any more.
local expires = math.ceil(wait / 1000)
if redis.call('PTTL', KEYS[1]) < expires then
	redis.call('PEXPIRE', KEYS[1], expires)
end
return 1
