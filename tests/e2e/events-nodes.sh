# shellcheck shell=bash
# timeout: 180
# on: qemu-6.12 host
# on-long: uml/mixed qemu-6.12/mixed
# What data paths tell ntmd, seen from outside: the peer moved, its MTU changed, somebody forges. events.sh is the same for the
# module alone.
#
#   dc 192.0.2.9, a 192.0.2.1 ---- near ---- r ---- far ---- b 198.51.100.2

. /mnt/lab/src/tests/e2e/lib/evil

# is_at ADDRESS: b has seen a there
is_at() {
	ctl b status | grep -q " $1:4330 "
}

# far_mtu BYTES: of both ends of that network's links
far_mtu() {
	local end
	for end in r b; do
		on "$end" ip link set "$(if_of "$end" far)" mtu "$1"
	done
}

net near far
host dc a b
router r
link dc near 192.0.2.9/24
link a near 192.0.2.1/24
link r near 192.0.2.254/24
link r far 198.51.100.254/24
link b far 198.51.100.2/24
gateway dc 192.0.2.254
gateway a 192.0.2.254
gateway b 198.51.100.254
dns dc
resolver a 192.0.2.9
resolver b 192.0.2.9
dc dc
node a a dc log-level=debug
node b b dc log-level=debug
to=$(virtual4 b)
require "a tunnel stands" eventually 10 on a ping -c 1 -W 2 b.example.net
check "b has a where it is" is_at 192.0.2.1

# A narrow link behind a router
far_mtu 1400
check "a packet of 1428 bytes passes when its sender knows" eventually 10 on a ping -c 1 -W 1 -M dont -s 1400 "$to"
check "ntmd is told of the path's MTU" eventually 5 eval 'logs a ntmd | grep -q "MTU 1348$"'
check_not "a packet that may not be cut does not pass" on a ping -c 2 -i 0.2 -W 1 -M 'do' -s 1321 "$to"
like "its sender hears what does" "$(cat "$LAB_STATE/output")" 'mtu ?= ?1348'
far_mtu 1500

# The peer moves
before=$(logs b ntmd | wc -l)
addr_add a near 192.0.2.77/24
addr_del a near 192.0.2.1/24
addr_add a near 192.0.2.77/24 2>/dev/null || true
gateway a 192.0.2.254
check "a has another address" eventually 5 on a ping -c 1 -W 1 "$to"
check "b knows" eventually 3 is_at 192.0.2.77
unlike "the tunnel is the same" "$(logs b ntmd | tail -n "+$((before + 1))")" 'tunnel over'

# Forged packets
evil_start a near flip
started=$(now_ms)
on a ping -c 1 -W 2 -s 1000 "$to"
at_least "forged packets, more than a hundred in a second" "$(evil_sent a)" 900
check "ntmd says so" eventually 3 eval 'logs b ntmd | grep -q "forged data packets within a second"'
said=$(logged b ntmd 'forged data packets within a second')
at_most "once a second at most" "$said" $((($(now_ms) - started) / 1000 + 1))
check "and nothing is harmed" on a ping -c 2 -i 0.2 -W 2 "$to"
