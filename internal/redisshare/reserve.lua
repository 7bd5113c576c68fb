-- KEYS[1] the last turns taken, oldest first, in microseconds
-- ARGV    how many turns fit into a window, the window, the longest wait (-1: any)
-- returns the wait until the next turn, and whether it was taken
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local turns, window, most = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local at = now
local before = redis.call('LINDEX', KEYS[1], -turns)
if before then
	at = math.max(now, tonumber(before) + window)
end
local wait = at - now
if most >= 0 and wait > most then
	return {wait, 0}
end
redis.call('RPUSH', KEYS[1], string.format('%.0f', at))
redis.call('LTRIM', KEYS[1], -turns, -1)
redis.call('PEXPIRE', KEYS[1], math.ceil((wait + window) / 1000))
return {wait, 1}
