-- SPDX-License-Identifier: GPL-2.0
--
-- Wireshark dissector for NTMobile, version 1 (docs/PROTOCOL.md; the section numbers below are its).
--
--   wireshark -X lua_script:scripts/ntmobile.lua FILE
--   tshark    -X lua_script:scripts/ntmobile.lua -r FILE -Y ntmobile -T fields -e ntmobile.path_id ...
--
-- or copy it into Wireshark's folder of personal Lua plugins. UDP port 4330 is NTMobile's; on other ports a
-- conversation is recognised by its first signalling packet, data packets follow from there (alone they look like noise).
-- What a node and its coordinator say inside Sealed packets and handshakes is encrypted; only its length shows.

local ntm = Proto("ntmobile", "NTMobile")

local PORT = 4330
local VERSION = 1
local TAG_LEN = 16
local MAC_LEN = 16
local DATA_HEADER = 8
local COUNTER_MASK = 0x1fffffff

local SESSION_REQUEST, SESSION_RESPONSE, COOKIE_REPLY, SEALED = 1, 2, 3, 4
local TUNNEL_REQUEST, TUNNEL_RESPONSE, HOLE_PUNCHING = 5, 6, 7
local RELAY_BIND, RELAY_BOUND, RELAYED, RELAY_PROBE, RELAY_PROBE_RESPONSE = 8, 9, 10, 11, 12
local DATA = 128

local types = {
	[SESSION_REQUEST] = "Session Request",
	[SESSION_RESPONSE] = "Session Response",
	[COOKIE_REPLY] = "Cookie Reply",
	[SEALED] = "Sealed",
	[TUNNEL_REQUEST] = "Tunnel Request",
	[TUNNEL_RESPONSE] = "Tunnel Response",
	[HOLE_PUNCHING] = "Hole Punching",
	[RELAY_BIND] = "Relay Bind",
	[RELAY_BOUND] = "Relay Bound",
	[RELAYED] = "Relayed",
	[RELAY_PROBE] = "Relay Probe",
	[RELAY_PROBE_RESPONSE] = "Relay Probe Response",
	[DATA] = "Data",
}

-- Fewest bytes of a datagram of each type; a second number: it has exactly so many
local lengths = {
	[SESSION_REQUEST] = { 140 },
	[SESSION_RESPONSE] = { 56 },
	[COOKIE_REPLY] = { 64, 64 },
	[SEALED] = { 40 },
	[TUNNEL_REQUEST] = { 140 },
	[TUNNEL_RESPONSE] = { 56 },
	[HOLE_PUNCHING] = { 24, 24 },
	[RELAY_BIND] = { 84, 84 },
	[RELAY_BOUND] = { 84, 84 },
	[RELAYED] = { 12 },
	[RELAY_PROBE] = { 64, 9216 },
	[RELAY_PROBE_RESPONSE] = { 64, 64 },
	[DATA] = { 24 },
}

local roles = { [1] = "initiator", [2] = "responder" }
local bound = { [0] = "bound", [1] = "bind again with this cookie", [2] = "busy" }

local f = ntm.fields
f.type = ProtoField.uint8("ntmobile.type", "Type", base.HEX, types)
f.version = ProtoField.uint8("ntmobile.version", "Version")
f.reserved = ProtoField.uint16("ntmobile.reserved", "Reserved", base.HEX)
-- Data (2)
f.word = ProtoField.uint32("ntmobile.data.word", "Data bit, epoch, counter", base.HEX)
f.epoch = ProtoField.uint32("ntmobile.data.epoch", "Epoch, modulo 4", base.DEC, nil, 0x60000000)
f.data_counter = ProtoField.uint32("ntmobile.data.counter", "Counter, low 29 bits", base.DEC, nil, COUNTER_MASK)
f.data_inner = ProtoField.bytes("ntmobile.data.inner", "Inner packet, encrypted")
f.inner_len = ProtoField.uint32("ntmobile.data.inner_len", "Length of the inner packet")
f.keepalive = ProtoField.bool("ntmobile.data.keepalive", "Keep-alive: no inner packet")
-- Handshakes (3)
f.path_id = ProtoField.uint32("ntmobile.path_id", "Path ID", base.HEX)
f.session_id = ProtoField.uint32("ntmobile.session_id", "Initiator's session ID", base.HEX)
f.receiver_id = ProtoField.uint32("ntmobile.receiver_id", "Receiver's session ID", base.HEX)
f.ephemeral = ProtoField.bytes("ntmobile.noise.e", "Noise e: ephemeral public key")
f.static = ProtoField.bytes("ntmobile.noise.s", "Noise s: static public key, encrypted")
f.payload = ProtoField.bytes("ntmobile.noise.payload", "Noise payload, encrypted")
f.payload_len = ProtoField.uint32("ntmobile.noise.payload_len", "Length of the payload in the clear")
f.mac1 = ProtoField.bytes("ntmobile.mac1", "mac1")
f.mac2 = ProtoField.bytes("ntmobile.mac2", "mac2")
f.has_cookie = ProtoField.bool("ntmobile.has_cookie", "Carries a cookie")
f.nonce = ProtoField.bytes("ntmobile.cookie.nonce", "Nonce")
f.cookie = ProtoField.bytes("ntmobile.cookie.cookie", "Cookie, encrypted")
-- Sealed (4)
f.counter = ProtoField.uint64("ntmobile.counter", "Counter")
f.message = ProtoField.bytes("ntmobile.message", "Message, encrypted")
f.message_len = ProtoField.uint32("ntmobile.message_len", "Length of the message in the clear")
f.tag = ProtoField.bytes("ntmobile.tag", "Tag")
-- Hole Punching (7.3)
f.punch_mac = ProtoField.bytes("ntmobile.punch.mac", "MAC under the path's psk")
-- Relay Bind, Bound (8.1)
f.role = ProtoField.uint8("ntmobile.relay.role", "Role of the end", base.DEC, roles)
f.status = ProtoField.uint8("ntmobile.relay.status", "Status", base.DEC, bound)
f.lifetime = ProtoField.uint16("ntmobile.relay.lifetime", "Seconds that the binding is kept")
f.relay_reserved = ProtoField.bytes("ntmobile.relay.reserved", "Reserved")
f.relay_cookie = ProtoField.bytes("ntmobile.relay.cookie", "Cookie")
f.relay_nonce = ProtoField.bytes("ntmobile.relay.nonce", "Nonce")
f.observed4 = ProtoField.ipv4("ntmobile.relay.observed4", "Came from")
f.observed6 = ProtoField.ipv6("ntmobile.relay.observed6", "Came from")
f.observed_port = ProtoField.uint16("ntmobile.relay.observed_port", "Came from port")
f.relay_mac = ProtoField.bytes("ntmobile.relay.mac", "MAC")
-- Relay Probe, Response (8.3)
f.other_port = ProtoField.bool("ntmobile.probe.other_port", "Answer from the other port")
f.to_port = ProtoField.uint16("ntmobile.probe.to_port", "Answer to this port (0: where it came from)")
f.padding = ProtoField.bytes("ntmobile.probe.padding", "Padding")
-- Found out by looking at more than one packet
f.request_in = ProtoField.framenum("ntmobile.request_in", "Request in", base.NONE, frametype.REQUEST)
f.response_in = ProtoField.framenum("ntmobile.response_in", "Response in", base.NONE, frametype.RESPONSE)
f.response_time = ProtoField.relative_time("ntmobile.response_time", "Time since the request")

local e = ntm.experts
e.short = ProtoExpert.new("ntmobile.short", "Shorter than its type allows", expert.group.MALFORMED, expert.severity.ERROR)
e.long = ProtoExpert.new("ntmobile.long", "Longer than its type allows", expert.group.MALFORMED, expert.severity.ERROR)
e.type = ProtoExpert.new("ntmobile.unknown", "Unknown type", expert.group.MALFORMED, expert.severity.ERROR)
e.header = ProtoExpert.new("ntmobile.header", "Unknown version, or reserved bytes that are not zero",
	expert.group.MALFORMED, expert.severity.ERROR)
e.inner = ProtoExpert.new("ntmobile.relayed.type", "Of a type that is not relayed", expert.group.MALFORMED, expert.severity.ERROR)
e.zero = ProtoExpert.new("ntmobile.zero", "An ID that must not be zero", expert.group.PROTOCOL, expert.severity.WARN)

-- Requests by initiator's session ID: { request = frame, time = of it, response = frame }
local handshakes = {}
-- Relay Binds and Probes by their nonce: the same
local asked = {}

function ntm.init()
	handshakes = {}
	asked = {}
end

local function add_id(tree, field, range)
	local item = tree:add(field, range)

	if range:uint() == 0 then
		item:add_proto_expert_info(e.zero)
	end
end

local function dissect_data(buf, pinfo, tree)
	local inner = buf:len() - DATA_HEADER - TAG_LEN
	local word = buf(0, 4):uint()
	local counter = bit.band(word, COUNTER_MASK)
	local epoch = bit.band(bit.rshift(word, 29), 3)
	local header = tree:add(f.word, buf(0, 4))

	tree:add(f.type, buf(0, 1), DATA):set_generated()
	header:add(f.epoch, buf(0, 4))
	header:add(f.data_counter, buf(0, 4))
	add_id(tree, f.path_id, buf(4, 4))
	tree:add(f.inner_len, buf(DATA_HEADER, inner), inner):set_generated()
	if inner > 0 then
		tree:add(f.data_inner, buf(DATA_HEADER, inner))
	else
		tree:add(f.keepalive, buf(0, 0), true):set_generated()
	end
	tree:add(f.tag, buf(DATA_HEADER + inner, TAG_LEN))
	return string.format("path %08x, epoch %d, counter %d, %s", buf(4, 4):uint(), epoch, counter,
		inner > 0 and inner .. " bytes inside" or "keep-alive")
end

local function note_request(id, pinfo, list)
	list = list or handshakes
	-- A retransmission has the same ID; the response is to the first
	if not pinfo.visited and not list[id] then
		list[id] = { request = pinfo.number, time = pinfo.abs_ts }
	end
end

local function note_response(id, pinfo, list)
	local h = (list or handshakes)[id]

	if h and not pinfo.visited and not h.response then
		h.response = pinfo.number
	end
end

local function add_request_links(tree, id, pinfo, list)
	local h = (list or handshakes)[id]

	if h and h.response and h.request == pinfo.number then
		tree:add(f.response_in, h.response):set_generated()
	end
end

local function add_response_links(tree, id, pinfo, list)
	local h = (list or handshakes)[id]
	local delta

	if h and h.request < pinfo.number then
		delta = pinfo.abs_ts - h.time
		tree:add(f.request_in, h.request):set_generated()
		tree:add(f.response_time, NSTime.new(math.floor(delta), math.floor(delta % 1 * 1e9))):set_generated()
	end
end

local function is_zero(range)
	return not range:bytes():tohex():find("[^0]")
end

local function dissect_request(buf, pinfo, tree)
	local payload = buf:len() - 92 - 2 * MAC_LEN
	local id = buf(4, 4):uint()
	local cookie = not is_zero(buf(108 + payload, MAC_LEN))

	add_id(tree, f.session_id, buf(4, 4))
	tree:add(f.path_id, buf(8, 4))
	tree:add(f.ephemeral, buf(12, 32))
	tree:add(f.static, buf(44, 48))
	tree:add(f.payload, buf(92, payload))
	tree:add(f.payload_len, buf(92, payload), payload - TAG_LEN):set_generated()
	tree:add(f.mac1, buf(92 + payload, MAC_LEN))
	tree:add(f.mac2, buf(108 + payload, MAC_LEN))
	tree:add(f.has_cookie, buf(108 + payload, MAC_LEN), cookie):set_generated()
	note_request(id, pinfo)
	add_request_links(tree, id, pinfo)
	return string.format("session %08x%s%s", id,
		buf(0, 1):uint() == TUNNEL_REQUEST and string.format(", path %08x", buf(8, 4):uint()) or "",
		cookie and ", with a cookie" or "")
end

local function dissect_response(buf, pinfo, tree)
	local payload = buf:len() - 40
	local id = buf(4, 4):uint()

	add_id(tree, f.session_id, buf(4, 4))
	tree:add(f.ephemeral, buf(8, 32))
	tree:add(f.payload, buf(40, payload))
	tree:add(f.payload_len, buf(40, payload), payload - TAG_LEN):set_generated()
	note_response(id, pinfo)
	add_response_links(tree, id, pinfo)
	return string.format("session %08x", id)
end

local function dissect_cookie(buf, pinfo, tree)
	local id = buf(4, 4):uint()

	add_id(tree, f.session_id, buf(4, 4))
	tree:add(f.nonce, buf(8, 24))
	tree:add(f.cookie, buf(32, 32))
	return string.format("session %08x", id)
end

local function dissect_sealed(buf, pinfo, tree)
	local len = buf:len() - 16 - TAG_LEN

	add_id(tree, f.receiver_id, buf(4, 4))
	tree:add(f.counter, buf(8, 8))
	tree:add(f.message, buf(16, len))
	tree:add(f.message_len, buf(16, len), len):set_generated()
	tree:add(f.tag, buf(16 + len, TAG_LEN))
	return string.format("session %08x, counter %s, %d bytes", buf(4, 4):uint(), tostring(buf(8, 8):uint64()), len)
end

local function dissect_punch(buf, pinfo, tree)
	add_id(tree, f.path_id, buf(4, 4))
	tree:add(f.punch_mac, buf(8, MAC_LEN))
	return string.format("path %08x", buf(4, 4):uint())
end

-- 18 bytes: an address, IPv4 as ::ffff:a.b.c.d, and a port; zeros: none
local function add_observed(tree, range)
	if is_zero(range) then
		return nil
	end
	local four = range(0, 12):bytes():tohex() == "00000000000000000000FFFF"
	local port = range(16, 2):uint()

	if four then
		tree:add(f.observed4, range(12, 4))
	else
		tree:add(f.observed6, range(0, 16))
	end
	tree:add(f.observed_port, range(16, 2))
	return four and string.format("%s:%d", tostring(range(12, 4):ipv4()), port) or
		string.format("[%s]:%d", tostring(range(0, 16):ipv6()), port)
end

local function add_links(tree, pinfo, nonce, answers)
	if answers then
		note_response(nonce, pinfo, asked)
		add_response_links(tree, nonce, pinfo, asked)
	else
		note_request(nonce, pinfo, asked)
		add_request_links(tree, nonce, pinfo, asked)
	end
end

local function dissect_bind(buf, pinfo, tree)
	local answers = buf(0, 1):uint() == RELAY_BOUND
	local status, role = buf(9, 1):uint(), buf(8, 1):uint()
	local info = string.format("path %08x, %s", buf(4, 4):uint(), roles[role] or "role " .. role)

	add_id(tree, f.path_id, buf(4, 4))
	tree:add(f.role, buf(8, 1))
	tree:add(f.status, buf(9, 1))
	tree:add(f.lifetime, buf(10, 2))
	tree:add(f.relay_reserved, buf(12, 4))
	tree:add(f.relay_cookie, buf(16, 16))
	tree:add(f.has_cookie, buf(16, 16), not is_zero(buf(16, 16))):set_generated()
	tree:add(f.relay_nonce, buf(32, 16))
	local observed = add_observed(tree, buf(48, 18))
	tree:add(f.relay_mac, buf(68, MAC_LEN))
	add_links(tree, pinfo, buf(32, 16):bytes():tohex(), answers)
	if not answers then
		return info .. (is_zero(buf(16, 16)) and "" or ", with a cookie")
	end
	return info .. ", " .. (bound[status] or "status " .. status) .. (observed and ", came from " .. observed or "")
end

local function dissect_probe(buf, pinfo, tree)
	local answers = buf(0, 1):uint() == RELAY_PROBE_RESPONSE

	tree:add(f.relay_nonce, buf(4, 16))
	local observed = add_observed(tree, buf(20, 18))
	tree:add(f.other_port, buf(38, 1))
	tree:add(f.to_port, buf(40, 2))
	tree:add(f.relay_reserved, buf(42, 6))
	tree:add(f.relay_mac, buf(48, MAC_LEN))
	if buf:len() > 64 then
		tree:add(f.padding, buf(64))
	end
	add_links(tree, pinfo, buf(4, 16):bytes():tohex(), answers)
	return (observed and "came from " .. observed or buf:len() .. " bytes") ..
		(buf(38, 1):uint() == 1 and ", other port" or "")
end

-- What nodes say to each other, and no more
local relayable = { [COOKIE_REPLY] = true, [SEALED] = true, [TUNNEL_REQUEST] = true, [TUNNEL_RESPONSE] = true }
local dissect_signalling

local function dissect_relayed(buf, pinfo, tree)
	local kind = buf(8, 1):uint()
	local inner = tree:add(ntm, buf(8), "Relayed: " .. (types[kind] or string.format("type 0x%02x", kind)))

	add_id(tree, f.path_id, buf(4, 4))
	if not relayable[kind] then
		inner:add_proto_expert_info(e.inner)
		return string.format("path %08x, [malformed]", buf(4, 4):uint())
	end
	return string.format("path %08x: %s%s", buf(4, 4):uint(), types[kind], dissect_signalling(buf(8):tvb(), pinfo, inner, kind))
end

local dissectors = {
	[SESSION_REQUEST] = dissect_request,
	[SESSION_RESPONSE] = dissect_response,
	[COOKIE_REPLY] = dissect_cookie,
	[SEALED] = dissect_sealed,
	[TUNNEL_REQUEST] = dissect_request,
	[TUNNEL_RESPONSE] = dissect_response,
	[HOLE_PUNCHING] = dissect_punch,
	[RELAY_BIND] = dissect_bind,
	[RELAY_BOUND] = dissect_bind,
	[RELAYED] = dissect_relayed,
	[RELAY_PROBE] = dissect_probe,
	[RELAY_PROBE_RESPONSE] = dissect_probe,
}

-- Type, version and reserved bytes of signalling; false if no implementation would take it
local function dissect_header(buf, tree)
	local good = buf:len() >= 4 and buf(1, 1):uint() == VERSION and buf(2, 2):uint() == 0

	tree:add(f.type, buf(0, 1))
	if buf:len() >= 4 then
		tree:add(f.version, buf(1, 1))
		tree:add(f.reserved, buf(2, 2))
	end
	if not good then
		tree:add_proto_expert_info(e.header)
	end
	return good
end

local function type_of(buf)
	local first = buf(0, 1):uint()

	return first >= DATA and DATA or first
end

-- An expert item where the length is none that the type can have
local function wrong_length(buf, kind)
	local limits = lengths[kind]

	if buf:len() < limits[1] then
		return e.short
	end
	return limits[2] and buf:len() > limits[2] and e.long or nil
end

-- Header and the rest of what is not data; what to say of it, a comma in front
dissect_signalling = function(buf, pinfo, tree, kind)
	local wrong

	if not dissect_header(buf, tree) then
		return ""
	end
	wrong = wrong_length(buf, kind)
	if wrong then
		tree:add_proto_expert_info(wrong)
		return " [malformed]"
	end
	return ", " .. dissectors[kind](buf, pinfo, tree)
end

function ntm.dissector(buf, pinfo, root)
	if buf:len() == 0 then
		return 0
	end

	local kind = type_of(buf)
	local tree = root:add(ntm, buf())
	local name = types[kind]
	local wrong, info

	pinfo.cols.protocol = "NTMobile"
	if not name then
		tree:add(f.type, buf(0, 1)):add_proto_expert_info(e.type)
		pinfo.cols.info = string.format("Unknown type 0x%02x", kind)
		return buf:len()
	end
	if kind == DATA then
		wrong = wrong_length(buf, kind)
		if wrong then
			tree:add_proto_expert_info(wrong)
			info = " [malformed]"
		else
			info = ", " .. dissect_data(buf, pinfo, tree)
		end
	else
		info = dissect_signalling(buf, pinfo, tree, kind)
	end
	tree:append_text(", " .. name .. info)
	pinfo.cols.info = name .. info
	return buf:len()
end

-- Signalling alone is distinct enough: type, version, zeros and length
local function looks_like_signalling(buf)
	if buf:len() < 24 then
		return false
	end
	local kind = buf(0, 1):uint()

	if kind == RELAYED and not relayable[buf(8, 1):uint()] then
		return false
	end
	return kind >= SESSION_REQUEST and kind <= RELAY_PROBE_RESPONSE and buf(1, 1):uint() == VERSION and
		buf(2, 2):uint() == 0 and buf(4, 4):uint() ~= 0 and not wrong_length(buf, kind)
end

local function heuristic(buf, pinfo, root)
	if not looks_like_signalling(buf) then
		return false
	end
	ntm.dissector(buf, pinfo, root)
	pinfo.conversation = ntm
	return true
end

DissectorTable.get("udp.port"):add(PORT, ntm)
ntm:register_heuristic("udp", heuristic)
