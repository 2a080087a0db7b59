# on: uml
# on-long: qemu-6.12 qemu-6.1 uml-debug
# without: tun mixed: the module by itself
# timeout: 150
# Where the peer is, packets say, but not every authentic one: not one that was held back under the key before, not one
# that came through the tunnel itself, and not each of two sources by turns. Fixed keys, ntm-cfg in ntmd's place.

. /mnt/lab/src/tests/e2e/lib/fixed-keys
. /mnt/lab/src/tests/e2e/lib/evil

fixed_pair
wire=$(if_of a internet)

# peer [ID]: where b takes a to be; received [ID]: packets by this path
peer() {
	on b ntm-cfg path get ntm0 "${1:-7}" | grep -oE '\bpeer=[^ ]+' | cut -d= -f2
}
key() {
	on "$1" ntm-cfg path get ntm0 "$2" | grep -qE "\bepoch=$3\b"
}
moves() {
	logs b owner | grep -c '^peer_moved' || true
}

# withhold MODE... -- COMMAND...: a data packet that the command sends on a does not reach b; it comes late, as ntm-evil's
# MODE says: late PORT TO, port PORT
withhold() {
	local mode=$1 args=()
	shift
	while [ "$1" != -- ]; do
		args+=("$1")
		shift
	done
	shift
	rm -f /tmp/evil.go
	on b nft 'add table ip t; add chain ip t p { type filter hook prerouting priority -300; udp dport 4330 drop; }'
	evil_start a internet "$mode" /tmp/evil.go "${args[@]}"
	"$@" || true
	sleep 0.3
	on b nft flush ruleset
}
release() {
	touch /tmp/evil.go
	is "it came late" "$(evil_sent a)" 1
	sleep 0.3
}

check "a packet passes" on a ping -c 1 -W 2 10.9.0.2
is "b knows where a is" "$(peer)" 192.0.2.1:4330

# Under the same key the newest packet moves the peer, wherever it is from
withhold late 4444 192.0.2.2 -- on a ping -c 1 -W 1 10.9.0.2
release
is "a packet newer than all before moves the peer" "$(peer)" 192.0.2.1:4444
check "the next one moves it back" on a ping -c 1 -W 2 10.9.0.2
is "b knows it" "$(peer)" 192.0.2.1:4330
eventually 5 logged_more b owner '^peer_moved' 1 || true # it is told after it is done
is "and was told twice" "$(moves)" 2

# A bit of its source port that was spoilt on the way: the tag is right, the checksum is not
withhold port 4331 -- on a ping -c 1 -W 1 10.9.0.2
release
is "a spoilt source port does not move the peer" "$(peer)" 192.0.2.1:4330
is "and nobody is told of it" "$(moves)" 2

# With a checksum that was computed, and not left to a device
on a ethtool -K "$wire" tx off >/dev/null
withhold late 4445 192.0.2.2 -- on a ping -c 1 -W 1 10.9.0.2
release
is "with a checksum that is right it does" "$(peer)" 192.0.2.1:4445
check "and back" on a ping -c 1 -W 2 10.9.0.2
is "b knows it again" "$(peer)" 192.0.2.1:4330
on a ethtool -K "$wire" tx on >/dev/null

# Held back until the key was followed by another
withhold late 4444 192.0.2.2 -- on a ping -c 1 -W 1 10.9.0.2

KEY2_A=$(printf 'c3%.0s' {1..32})
KEY2_B=$(printf 'd4%.0s' {1..32})
on b ntm-cfg path set ntm0 7 key 2 1 "$KEY2_B" "$KEY2_A" pending
on a ntm-cfg path set ntm0 7 key 2 1 "$KEY2_A" "$KEY2_B"
check "a new key" eventually 5 key b 7 2
check "packets pass under it" on a ping -c 1 -W 2 10.9.0.2
before=$(on b ntm-cfg dev get ntm0 | grep -oE 'drop_(key|auth|replay)=[0-9]+')
release
is "a packet under the key before is still taken" "$(on b ntm-cfg dev get ntm0 | grep -oE 'drop_(key|auth|replay)=[0-9]+')" "$before"
is "but does not move the peer" "$(peer)" 192.0.2.1:4330
is "and nobody is told" "$(moves)" 4

# Through the tunnel of another path
on b ntm-cfg path set ntm0 8 create v4 10.9.0.11 peer 192.0.2.1 4330 key 1 1 "$KEY2_B" "$KEY2_A"
first_of_8() {
	on a ntm-cfg path set ntm0 8 create v4 10.9.0.22 peer 192.0.2.2 4330 key 1 1 "$KEY2_A" "$KEY2_B"
	on a ping -c 1 -W 1 10.9.0.22
}
withhold late 4444 10.9.0.2 -- first_of_8
release
like "a packet that came through the tunnel is taken" "$(on b ntm-cfg path get ntm0 8)" 'last_rx_ms='
is "but a virtual address is no way to the peer" "$(peer 8)" 192.0.2.1:4330

# Two sources by turns
addr_add a internet 192.0.2.77/24
on a nft -f - <<-NFT
	table ip t {
		chain p {
			type filter hook postrouting priority 300;
			udp sport 4330 ip saddr set numgen inc mod 2 map { 0: 192.0.2.1, 1: 192.0.2.77 }
		}
	}
NFT
before=$(moves) started=$(now_ms)
on a ping -c 300 -i 0.005 -W 1 10.9.0.2 || true
seconds=$(($(now_ms) / 1000 - started / 1000 + 1))
at_least "two sources by turns move the peer" $(($(moves) - before)) 4
at_most "but not with every packet" $(($(moves) - before)) $((8 + 4 * seconds))
on a nft flush ruleset
addr_del a internet 192.0.2.77/24
check "and nothing is harmed" on a ping -c 2 -i 0.2 -W 2 10.9.0.2
followed() {
	on a ping -c 1 -W 1 10.9.0.2 && [ "$(peer)" = 192.0.2.1:4330 ]
}
check "the peer is followed again" eventually 5 followed

# The same over IPv6, on packets that b's link rewrites as they come in. It moves twice at once, for which those before have left
# no room: after them it is one move in 250 ms (ntmobile/pace.h).
sleep 0.6
addr_add a internet fd20::1/64
addr_add b internet fd20::2/64
on a ntm-cfg path set ntm0 7 peer fd20::2 4330
check "over IPv6" eventually 5 on a ping -c 1 -W 1 10.9.0.2
is "b knows it" "$(peer)" '[fd20::1]:4330'
on a ethtool -K "$wire" tx off >/dev/null

# rewritten RULE...: where b takes a to be after a packet that was
rewritten() {
	on b nft "add table netdev t
		add chain netdev t c { type filter hook ingress device $(if_of b internet) priority 0; }
		add rule netdev t c ip6 nexthdr udp $*"
	on a ping -c 1 -W 0.3 10.9.0.2 >/dev/null || true
	on b nft flush ruleset
	peer
}
is "a packet without the checksum that IPv6 demands does not move the peer" "$(rewritten udp sport set 4331 udp checksum set 0)" \
	'[fd20::1]:4330'
is "one whose checksum is right does" "$(rewritten udp sport set 4331)" '[fd20::1]:4331'
