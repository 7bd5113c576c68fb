-- One operation on the stream tasks that the servers of a project share; see package
-- tools/streams, type Store. All times are in milliseconds of Redis's clock, because the
-- clocks of the servers differ.
--
-- KEYS[1]  the records of the tasks: StreamId → JSON, with the field Owner
-- KEYS[2]  the leases: server → when the lease ends; for a server that is leaving, which has no
--          lease any more, less than 0: the time until which it removes its own records
-- ARGV[1]  the operation
-- ARGV[2]  this server
-- ARGV[3…] what the operation needs
local records, leases = KEYS[1], KEYS[2]
local operation, this = ARGV[1], ARGV[2]
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)

local function lives(server)
	local ends = redis.call('HGET', leases, server)
	return ends and tonumber(ends) > now
end

-- Reports whether a server removes the records of its tasks that have ended.
local function removes(server)
	local ends = redis.call('HGET', leases, server)
	return ends and math.abs(tonumber(ends)) > now
end

local function others_live()
	for _, server in ipairs(redis.call('HKEYS', leases)) do
		if not removes(server) then
			redis.call('HDEL', leases, server)
		elseif server ~= this and lives(server) then
			return true
		end
	end
	return false
end

-- Returns the record of a StreamId with a Key, or nil.
local function find(stream, key)
	local json = redis.call('HGET', records, stream)
	local record = json and cjson.decode(json)
	if record and record.Key == key then
		return record
	end
	return nil
end

local function write(record)
	redis.call('HSET', records, record.StreamID, cjson.encode(record))
	redis.call('PEXPIRE', records, 172800000) -- Two days, twice the longest life of a task.
end

-- ARGV[3] is how long the lease is, ARGV[4] is "staying", "leaving" or "gone".
-- Returns the time, 1 if other servers live or else 0, and for each record "this",
-- "other" or "none" for its owner, and its JSON.
if operation == 'renew' then
	local others = others_live()
	if ARGV[4] == 'gone' then
		redis.call('HDEL', leases, this)
	else
		local sign = ARGV[4] == 'leaving' and others and -1 or 1
		redis.call('HSET', leases, this, string.format('%.0f', sign * (now + ARGV[3])))
		redis.call('PEXPIRE', leases, 172800000)
	end
	local reply = {string.format('%.0f', now), others and '1' or '0'}
	for _, json in ipairs(redis.call('HVALS', records)) do
		local record = cjson.decode(json)
		local owner = record.Owner
		local other = lives(owner) or record.Ended and removes(owner)
		table.insert(reply, owner == this and 'this' or other and 'other' or 'none')
		table.insert(reply, json)
	end
	return reply
end

-- ARGV[3] is the new record. ARGV[4] is how many may run, and ARGV[5] how many of its caller,
-- 0 for any number. Returns "reserved", "used", or "full" or "full of caller" and the names of the
-- running tasks that count.
if operation == 'reserve' then
	local record, max, max_of_caller = cjson.decode(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5])
	local running, of_caller = {}, {}
	for _, json in ipairs(redis.call('HVALS', records)) do
		local other = cjson.decode(json)
		if not other.Ended then
			if other.StreamID == record.StreamID then
				return {'used'}
			end
			local name = other.TaskID ~= '' and other.TaskID or 'StreamId ' .. other.StreamID
			table.insert(running, name)
			if other.Caller == record.Caller then
				table.insert(of_caller, name)
			end
		end
	end
	if max > 0 and #running >= max then
		table.insert(running, 1, 'full') -- unpack fails for more than 8,000.
		return running
	end
	if max_of_caller > 0 and #of_caller >= max_of_caller then
		table.insert(of_caller, 1, 'full of caller') -- unpack fails for more than 8,000.
		return of_caller
	end
	write(record)
	return {'reserved'}
end

-- ARGV[3] is the record. Returns "saved" or "refused".
if operation == 'save' then
	local record = cjson.decode(ARGV[3])
	local stored = find(record.StreamID, record.Key)
	if not stored or stored.Owner ~= this or stored.Ended then
		return {'refused'}
	end
	write(record)
	return {'saved'}
end

local record = find(ARGV[3], ARGV[4])
local may_take = record and (record.Owner == this or not lives(record.Owner))

-- ARGV[3] and ARGV[4] are the StreamId and the Key of the record. Returns "taken" and the
-- record, or "refused".
if operation == 'take over' then
	if not may_take then
		return {'refused'}
	end
	record.Owner = this
	write(record)
	return {'taken', cjson.encode(record)}
end

-- ARGV[3] and ARGV[4] are as above. Returns nothing.
if operation == 'remove' then
	if record and (record.Owner == this or not removes(record.Owner)) then
		redis.call('HDEL', records, record.StreamID)
	elseif record then
		record.Ended = true
		write(record)
	end
	return {}
end

return redis.error_reply('unknown operation ' .. operation)
