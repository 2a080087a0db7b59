# on: qemu-6.12
# on-long: qemu-6.1 uml-debug
# without: tun mixed: the module by itself
# timeout: 240
# The kernel module relays between two ends: entries by hand, fixed keys, no daemon.
#
#   a 192.0.2.1 ------- west -------- r -------- east ------- b 198.51.100.2, 2001:db8:2::2
#   ntm0 10.9.0.1        192.0.2.9    ntm0   198.51.100.9     ntm0 10.9.0.2
#                                            2001:db8:2::9
#
# Path 7 between a and b goes through r. Nothing else leads from west to east.

. /mnt/lab/src/tests/e2e/lib/fixed-keys

net west east
host a b r
link a west 192.0.2.1/24 2001:db8:1::1/64
link r west 192.0.2.9/24 2001:db8:1::9/64
link r east 198.51.100.9/24 2001:db8:2::9/64
link b east 198.51.100.2/24 2001:db8:2::2/64
fixed_dev a 10.9.0.1 fd09::1
fixed_dev b 10.9.0.2 fd09::2
load_module
on r ip link add ntm0 type ntm
on r ip link set ntm0 up
fixed_owner a "dev set ntm0 port4 4330 port6 4330" \
	"path set ntm0 7 create v4 10.9.0.2 v6 fd09::2 peer 192.0.2.9 4330 key 1 1 $FIXED_A $FIXED_B"
fixed_owner b "dev set ntm0 port4 4330 port6 4330" \
	"path set ntm0 7 create v4 10.9.0.1 v6 fd09::1 peer 198.51.100.9 4330 key 1 1 $FIXED_B $FIXED_A"
fixed_owner r "dev set ntm0 port4 4330 port6 4330" \
	"relay set ntm0 7 end0 192.0.2.1 4330 end1 198.51.100.2 4330"
eventually 5 fixed_ready a
eventually 5 fixed_ready b
relay() { on r ntm-cfg relay "$@"; }
eventually 5 relay get ntm0 7

# drop CAUSE: of r's device; of COUNTER: of its entry 7
drop() {
	on r ntm-cfg dev get ntm0 | grep -oE "\bdrop_$1=[0-9]+" | cut -d= -f2
}
of() {
	relay get ntm0 7 | grep -oE "\b$1=[0-9]+" | cut -d= -f2
}

through() {
	check "$1: ping" on a ping -c 3 -i 0.2 -W 2 10.9.0.2
	check "$1: a full-size packet" on a ping -c 1 -W 2 -s 1400 -M 'do' 10.9.0.2
	iperf_server b
	check "$1: TCP" on a iperf3 -c 10.9.0.2 -t 2 -i 0
	iperf_server b
	check "$1: TCP, the other way" on a iperf3 -c 10.9.0.2 -t 2 -i 0 -R
}

# What an entry says
like "an entry as it was set" "$(relay get ntm0 7)" 'id=7 rate=0 end0=192\.0\.2\.1:4330 .*end1=198\.51\.100\.2:4330 '
like "the device counts its entries" "$(on r ntm-cfg dev get ntm0)" ' relays=1 '
refused() {
	like "refused: $1" "$(on r ntm-cfg "${@:3}" 2>&1)" "$2"
}
refused "no such entry" 'ENOENT: no such relay entry' relay get ntm0 8
refused "to remove what is not there" 'ENOENT: no such relay entry' relay del ntm0 8
refused "Path ID 0" 'ERANGE|EINVAL' relay set ntm0 0
refused "port 0" 'EINVAL: address: port is 0' relay set ntm0 8 end0 192.0.2.1 0
refused "multicast" 'EINVAL: address: not a unicast' relay set ntm0 8 end1 ff02::1 4330
refused "a local address of another family" 'EINVAL: local address' relay set ntm0 8 end0 192.0.2.1 1 local ::1
refused "a local address alone" 'EINVAL: a local address needs ADDR' relay set ntm0 8 end0 unbound local 192.0.2.9
refused "a path where an entry is" 'EEXIST: a relay entry has this ID' path set ntm0 7 create v4 10.9.0.7
on r ntm-cfg path set ntm0 9 create v4 10.9.0.9
refused "an entry where a path is" 'EEXIST: a path has this ID' relay set ntm0 9
on r ntm-cfg path del ntm0 9
on r ntm-cfg relay many ntm0 1000 3000 192.0.2.1 4330 2001:db8:2::2 4330
is "a dump shows all, by rising ID" "$(relay dump ntm0 | sed 's/.* id=\([0-9]*\) .*/\1/' | sort -nc && relay dump ntm0 | wc -l)" 3001
for id in 1000 1001 1002; do relay del ntm0 $id; done
is "and none that was removed" "$(relay dump ntm0 | grep -cE ' id=100[012] ')" 0

# IPv4 on both sides
check_not "no route leads past the relay" on a ping -c 1 -W 1 198.51.100.2
through "IPv4 to IPv4"

# Counters: each datagram and byte that passes is counted, on the side that it came from
capture r east passed 'udp src port 4330 and udp dst port 4330 and src host 198.51.100.9'
packets=$(of packets0) bytes=$(of bytes0) sent=$(on a ntm-cfg path get ntm0 7 | grep -oE 'tx_packets=[0-9]+')
on a ping -c 20 -i 0.05 -s 1000 -W 2 10.9.0.2
capture_stop passed
is "each packet is counted" "$(($(of packets0) - packets))" 20
is "each byte is counted" "$(($(of bytes0) - bytes))" $((20 * (1000 + 28 + 24)))
is "and leaves once" "$(packets passed)" 20
at_most "the last packet was just now" "$(of last_ms0)" 5000
iperf_server b
capture r east big 'udp src port 4330 and src host 198.51.100.9'
on a iperf3 -c 10.9.0.2 -t 1 -i 0
capture_stop big
at_least "aggregates leave whole" "$(packets big 'greater 10000')" 10
iperf_server b
capture b east sums 'udp src port 4330'
on a iperf3 -c 10.9.0.2 -n 200K -i 0
capture_stop sums
sent_to_end=$(on a ntm-cfg path get ntm0 7 | grep -oE 'tx_packets=[0-9]+' | cut -d= -f2)
arrived=$(on b ntm-cfg path get ntm0 7 | grep -oE 'rx_packets=[0-9]+' | cut -d= -f2)
is "nothing is lost" "$arrived" "$sent_to_end"
isnt "(and something was sent)" "tx_packets=$sent_to_end" "$sent"

# Hop limit, DSCP and ECN, and a true checksum where no offload hides one
on a ethtool -K "$(if_of a west)" tx off
on r ethtool -K "$(if_of r east)" tx off
capture r east marked 'udp src port 4330 and src host 198.51.100.9 and ip[1] = 0xba and ip[8] = 63'
capture b east checked 'udp src port 4330 and dst host 198.51.100.2'
on a ping -c 3 -i 0.2 -Q 0xba -W 2 10.9.0.2
capture_stop marked
capture_stop checked
is "DSCP and ECN are carried over, the hop limit goes down" "$(packets marked)" 3
at_least "the UDP checksum" "$(tcpdump -nvvr "$(captured checked)" | grep -c 'udp sum ok')" 3
is "is right" "$(tcpdump -nvvr "$(captured checked)" | grep -cE 'bad udp cksum|no cksum' || true)" 0
on a ethtool -K "$(if_of a west)" tx on
on r ethtool -K "$(if_of r east)" tx on

# The other family on one side
on b ntm-cfg path set ntm0 7 peer 2001:db8:2::9 4330
relay set ntm0 7 end1 2001:db8:2::2 4330 local 2001:db8:2::9
like "an end moves to IPv6" "$(relay get ntm0 7)" 'end1=\[2001:db8:2::2\]:4330 local1=2001:db8:2::9 packets1=[1-9]'
# IPv6 headers are longer by 20 bytes: what a sends must leave room for them
on a ip link set ntm0 mtu 1428
through "IPv4 to IPv6"
capture b east sums6 'udp src port 4330 and dst host 2001:db8:2::2'
on r ethtool -K "$(if_of r east)" tx off
on a ethtool -K "$(if_of a west)" tx off
on a ping -c 3 -i 0.2 -W 2 10.9.0.2
capture_stop sums6
at_least "the UDP checksum over IPv6" "$(tcpdump -nvvr "$(captured sums6)" | grep -c 'udp sum ok')" 3
is "is right, too" "$(tcpdump -nvvr "$(captured sums6)" | grep -cE 'bad udp cksum|no cksum' || true)" 0
on r ethtool -K "$(if_of r east)" tx on
on a ethtool -K "$(if_of a west)" tx on

# What does not fit behind the other family's header: its sender hears of it, and learns
before=$(drop too_big)
on a ntm-cfg path set ntm0 7 mtu 1448
on a ip link set ntm0 mtu 1448
on a ping -c 1 -W 1 -s 1420 -M 'do' 10.9.0.2 || true
is "a packet that IPv6 makes too big is dropped and counted" "$(($(drop too_big) - before))" 1
check_not "its sender hears of it" on a ping -c 1 -W 1 -s 1420 -M 'do' 10.9.0.2
like "and learns what fits" "$(cat "$LAB_STATE/output")" 'mtu ?= ?1428'
iperf_server b
check "TCP finds its size" on a iperf3 -c 10.9.0.2 -t 1 -i 0

# IPv6 on both sides
on a ntm-cfg path set ntm0 7 peer 2001:db8:1::9 4330
relay set ntm0 7 end0 2001:db8:1::1 4330
through "IPv6 to IPv6"

# An end that moves to another port and address: only the new one counts
on a ntm-cfg path set ntm0 7 peer 192.0.2.9 4330
relay set ntm0 7 end0 192.0.2.77 4330
before=$(drop relay_source)
on a ping -c 2 -i 0.2 -W 1 10.9.0.2 || true
is "from an address that is no end: dropped and counted" "$(($(drop relay_source) - before))" 2
on a ip addr add 192.0.2.77/24 dev "$(if_of a west)"
on a ip addr del 192.0.2.1/24 dev "$(if_of a west)"
on a ip addr add 192.0.2.77/24 dev "$(if_of a west)" 2>/dev/null || true
check "from where the end has moved to: relayed" eventually 5 on a ping -c 1 -W 1 10.9.0.2

# An end that has not come, or is gone
relay set ntm0 7 end1 unbound
before=$(drop relay_unbound)
on a ping -c 2 -i 0.2 -W 1 10.9.0.2 || true
is "to an end that is not bound: dropped and counted" "$(($(drop relay_unbound) - before))" 2
relay set ntm0 7 end1 198.51.100.2 4330
on b ntm-cfg path set ntm0 7 peer 198.51.100.9 4330
check "bound again" on a ping -c 1 -W 2 10.9.0.2

# The route to an end is remembered, but not beyond its time
before=$(drop no_route)
on r ip route add unreachable 198.51.100.2/32
on a ping -c 2 -i 0.2 -W 1 10.9.0.2 || true
is "a route that is none any more is not used" "$(($(drop no_route) - before))" 2
on r ip route del unreachable 198.51.100.2/32
check "and found again" on a ping -c 1 -W 2 10.9.0.2
on r ip -6 route add unreachable 2001:db8:2::2/128
on a ntm-cfg path set ntm0 7 peer 192.0.2.9 4330
relay set ntm0 7 end1 2001:db8:2::2 4330
on b ntm-cfg path set ntm0 7 peer 2001:db8:2::9 4330
before=$(drop no_route)
on a ping -c 2 -i 0.2 -W 1 10.9.0.2 || true
is "nor one of IPv6" "$(($(drop no_route) - before))" 2
on r ip -6 route del unreachable 2001:db8:2::2/128
check "which is found, too" on a ping -c 1 -W 2 10.9.0.2
on r ip -6 route add unreachable 2001:db8:2::2/128
on a ping -c 2 -i 0.2 -W 1 10.9.0.2 || true
is "and left again" "$(($(drop no_route) - before))" 4
on r ip -6 route del unreachable 2001:db8:2::2/128
relay set ntm0 7 end1 198.51.100.2 4330
on b ntm-cfg path set ntm0 7 peer 198.51.100.9 4330
check "all is as it was" on a ping -c 1 -W 2 10.9.0.2

# Rate: 500 kbyte/s are 4 Mbit/s, of which the headers take little. What an entry may carry while nothing comes is kept for a quarter of
# a second
limited() {
	local before rate
	iperf_server b
	before=$(drop relay_rate)
	on a iperf3 -c 10.9.0.2 -u -b 20M -l 1200 -t 3 -i 0 >"$LAB_OUT/rate" 2>&1
	rate=$(awk '$NF == "receiver" { print $7 }' "$LAB_OUT/rate")
	at_least "a limited entry passes its rate" "$rate" 3.3
	at_most "and no more (a quarter of a second's worth besides)" "$rate" 4.6
	at_least "the rest is dropped and counted" "$(($(drop relay_rate) - before))" 1000
}
relay set ntm0 7 rate 500000
steadily 200 limited
relay set ntm0 7 rate 0

# Hostile packets, from the outside: none passes, none is answered
on a ip route add 198.51.100.0/24 via 192.0.2.9
capture r west answers 'ip src host 192.0.2.9'
packets=$(of packets0) source=$(drop relay_source) short=$(drop short) path=$(drop path) hops=$(drop relay_hops)
forge() { on a ntm-evil lo forge "$@"; }
is "from another port of an end" "$(forge 192.0.2.77 4331 192.0.2.9 7 100 10 64)" 10
is "from a stranger" "$(forge 192.0.2.66 4330 192.0.2.9 7 100 10 64)" 10
is "cut short" "$(forge 192.0.2.77 4330 192.0.2.9 7 23 10 64)" 10
is "of an unknown path" "$(forge 192.0.2.77 4330 192.0.2.9 8 100 10 64)" 10
is "at its last hop" "$(forge 192.0.2.77 4330 192.0.2.9 7 100 10 1)" 10
sleep 0.5
capture_stop answers
is "sources: counted" "$(($(drop relay_source) - source))" 20
is "short ones: counted" "$(($(drop short) - short))" 10
is "unknown paths: counted" "$(($(drop path) - path))" 10
is "used-up hop limits: counted" "$(($(drop relay_hops) - hops))" 10
is "none went on" "$(of packets0)" "$packets"
is "none was answered" "$(packets answers)" 0

# An aggregate of which each segment goes its own way: two entries, a path that nobody knows, signalling
relay set ntm0 11 end0 192.0.2.77 5000 end1 198.51.100.2 5000
relay set ntm0 12 end0 192.0.2.77 5000 end1 2001:db8:2::2 5000
on r nft -f - <<-NFT
	table inet t {
		chain i {
			type filter hook input priority 0;
			udp sport 5000 udp dport 4330 counter
		}
	}
NFT
count() { relay get ntm0 "$1" | sed 's/.* packets0=\([0-9]*\) bytes0=\([0-9]*\) .*/\1 \2/'; }
path=$(drop path)
capture b east cut 'udp dst port 5000'
is "an aggregate of several paths" "$(on a ntm-evil lo mixed 5000 192.0.2.9 100 11 11 12 11 8 0 12 11)" 8
sleep 0.5
capture_stop cut
is "is cut: what is the first entry's" "$(count 11)" "4 400"
is "what is the other's" "$(count 12)" "2 200"
is "and all of it arrives" "$(packets cut 'src host 198.51.100.9') $(packets cut 'ip6 src host 2001:db8:2::9')" "4 2"
is "what is nobody's is dropped and counted" "$(($(drop path) - path))" 1
like "signalling reaches the socket" "$(on r nft list ruleset)" 'counter packets 1 '
on r nft flush ruleset

# An aggregate that would be too long behind an IPv4 header is cut, too
on a ip link set "$(if_of a west)" gso_max_size 131072
relay set ntm0 13 end0 2001:db8:1::1 5000 end1 198.51.100.2 5000
# shellcheck disable=SC2046
on a ntm-evil lo mixed 5000 2001:db8:1::9 1092 $(printf '13 %.0s' {1..60})
is "an aggregate longer than IPv4 allows passes" "$(count 13)" "60 65520"

# Both ends are the relay itself: each round costs a hop
relay set ntm0 5 end0 192.0.2.9 4330 end1 192.0.2.9 4330
hops=$(drop relay_hops)
on r ntm-evil lo forge 192.0.2.9 4330 192.0.2.9 5 100 1 64
test_hops() { [ "$(drop relay_hops)" = $((hops + 1)) ]; }
check "a circle ends" eventually 5 test_hops
is "after as many rounds as the packet had hops" "$(relay get ntm0 5 | grep -oE 'packets0=[0-9]+')" packets0=63
check "and nothing is harmed" on a ping -c 2 -i 0.2 -W 2 10.9.0.2
