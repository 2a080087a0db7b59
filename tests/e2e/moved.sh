# on: qemu-6.12
# on-long: qemu-6.1 uml-debug
# without: tun mixed: the module by itself
# timeout: 150
# Where the peer is, packets say, but not every authentic one: not one that was held back under the key before, not one
# that came through the tunnel itself, and not each of two sources by turns. Fixed keys, ntm-cfg in ntmd's place.

. /mnt/lab/src/tests/e2e/lib/fixed-keys

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

# withhold PORT TO COMMAND...: a data packet that the command sends on a does not reach b; it comes late, from PORT to TO
withhold() {
	local port=$1 to=$2
	shift 2
	rm -f /tmp/evil.go /tmp/evil.late
	on b nft 'add table ip t; add chain ip t p { type filter hook prerouting priority -300; udp dport 4330 drop; }'
	bg a evil sh -c "ntm-evil $wire late /tmp/evil.go $port $to >/tmp/evil.late"
	sleep 0.5
	"$@" || true
	sleep 0.3
	on b nft flush ruleset
}
release() {
	touch /tmp/evil.go
	eventually 10 test -s /tmp/evil.late
	sleep 0.3
	stop a evil 2>/dev/null || true
}

check "a packet passes" on a ping -c 1 -W 2 10.9.0.2
is "b knows where a is" "$(peer)" 192.0.2.1:4330

# Under the same key the newest packet moves the peer, wherever it is from
withhold 4444 192.0.2.2 on a ping -c 1 -W 1 10.9.0.2
release
is "a packet newer than all before moves the peer" "$(peer)" 192.0.2.1:4444
check "the next one moves it back" on a ping -c 1 -W 2 10.9.0.2
is "b knows it" "$(peer)" 192.0.2.1:4330
is "and was told twice" "$(moves)" 2

# Held back until the key was followed by another
withhold 4444 192.0.2.2 on a ping -c 1 -W 1 10.9.0.2

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
is "and nobody is told" "$(moves)" 2

# Through the tunnel of another path
on b ntm-cfg path set ntm0 8 create v4 10.9.0.11 peer 192.0.2.1 4330 key 1 1 "$KEY2_B" "$KEY2_A"
first_of_8() {
	on a ntm-cfg path set ntm0 8 create v4 10.9.0.22 peer 192.0.2.2 4330 key 1 1 "$KEY2_A" "$KEY2_B"
	on a ping -c 1 -W 1 10.9.0.22
}
withhold 4444 10.9.0.2 first_of_8
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
