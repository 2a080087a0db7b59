# timeout: 120
# on: qemu-6.12
# on-long: qemu-6.1 uml-debug
# without: tun mixed: the module by itself
# What the module tells ntmd of a path: its peer moved, its MTU changed, somebody forges. Fixed keys, ntm-cfg in ntmd's place.
#
#   a 192.0.2.1 ---- near ---- r ---- far ---- b 198.51.100.2
#   ntm0 10.9.0.1                              ntm0 10.9.0.2

. /mnt/lab/src/tests/e2e/lib/fixed-keys
. /mnt/lab/src/tests/e2e/lib/evil

# told HOST REGEX: how many events of this kind its owner has seen
told() {
	logs "$1" owner | grep -cE "^$2" || true
}
# told_more HOST REGEX N: waits for more than N; an event takes its time from the packet that it is of to the log
told_more() {
	eventually 5 logged_more "$1" owner "^$2" "$3" || true
}

net near far
host a b
router r
link a near 192.0.2.1/24
link r near 192.0.2.254/24
link r far 198.51.100.254/24
link b far 198.51.100.2/24
gateway a 192.0.2.254
gateway b 198.51.100.254
fixed_dev a 10.9.0.1 fd09::1
fixed_dev b 10.9.0.2 fd09::2
fixed_owner a "dev set ntm0 port4 4330" \
	"path set ntm0 7 create v4 10.9.0.2 v6 fd09::2 peer 198.51.100.2 4330 key 1 1 $FIXED_A $FIXED_B"
fixed_owner b "dev set ntm0 port4 4330" \
	"path set ntm0 7 create v4 10.9.0.1 v6 fd09::1 peer 192.0.2.1 4330 key 1 1 $FIXED_B $FIXED_A"
eventually 5 fixed_ready a
eventually 5 fixed_ready b
check "a packet passes" on a ping -c 2 -i 0.2 -W 2 10.9.0.2
is "of what has not changed nobody is told" "$(told a '(mtu|peer_moved|auth_burst|rekey)') $(told b '(mtu|peer_moved|auth_burst|rekey)')" "0 0"

# A narrow link behind a router
for end in r b; do
	on "$end" ip link set "$(if_of "$end" far)" mtu 1400
done
check "a packet of 1428 bytes passes when its sender knows" eventually 5 on a ping -c 1 -W 1 -M dont -s 1400 10.9.0.2
told_more a mtu 0
is "the path's MTU is told" "$(logs a owner | grep '^mtu' | tail -n 1)" "mtu if=$(on a cat /sys/class/net/ntm0/ifindex) id=7 mtu=1348"
on a ping -c 5 -i 0.1 -W 1 -M dont -s 1400 10.9.0.2
is "once" "$(told a mtu)" 1
for end in r b; do
	on "$end" ip link set "$(if_of "$end" far)" mtu 1500
done
on a ip route flush cache
check "and passes whole when the link is wide again" on a ping -c 1 -W 2 -M 'do' -s 1400 10.9.0.2
told_more a mtu 1
is "of which ntmd is told too" "$(logs a owner | grep '^mtu' | tail -n 1 | grep -o 'mtu=.*')" mtu=1428

# The peer moves
addr_add a near 192.0.2.77/24
addr_del a near 192.0.2.1/24
addr_add a near 192.0.2.77/24 2>/dev/null || true
gateway a 192.0.2.254
check "a has another address" eventually 5 on a ping -c 1 -W 1 10.9.0.2
told_more b peer_moved 0
like "b is told the new one" "$(logs b owner | grep '^peer_moved')" 'id=7 peer=192\.0\.2\.77:4330$'
on a ping -c 3 -i 0.1 -W 1 10.9.0.2
is "once" "$(told b peer_moved)" 1
is "a is told of no move of b's" "$(told a peer_moved)" 0

# Forged packets
evil_start a near flip
started=$(now_ms)
on a ping -c 1 -W 2 -s 1000 10.9.0.2
at_least "forged packets, more than a hundred in a second" "$(evil_sent a)" 900
check "are told" eventually 2 eval '[ "$(told b auth_burst)" -gt 0 ]'
like "with their path and number" "$(logs b owner | grep '^auth_burst' | head -n 1)" 'id=7 drops=100$'
bursts=$(told b auth_burst)
at_most "once a second at most" "$bursts" $((($(now_ms) - started) / 1000 + 1))
check "and nothing is harmed" on a ping -c 2 -i 0.2 -W 2 10.9.0.2

# A path without a key
on a ntm-cfg path set ntm0 9 create v4 10.9.0.77 peer 198.51.100.2 4330
started=$(now_ms)
on a ping -c 20 -i 0.1 -W 1 10.9.0.77 || true
seconds=$((($(now_ms) - started) / 1000))
like "a packet without a key asks for one" "$(logs a owner | grep '^rekey' | tail -n 1)" 'id=9 epoch=0$'
at_least "again as long as there is none" "$(told a rekey)" 2
at_most "but once a second" "$(told a rekey)" $((seconds + 1))
