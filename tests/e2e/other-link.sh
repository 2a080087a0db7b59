# shellcheck shell=bash
# A node moves from a narrow link to a wide one, behind which the way is a little narrower, and routers drop every ICMP error. Its
# peer is where it was: what the way carries now is found out all the same.
# on: host
# on-long: qemu-6.12 qemu-6.12/mixed
# timeout: 180
#
#   dc -------- wide (1500) --- r --- far (1492 from r) --- b
#   a (moves) -/             /
#         \--- narrow (1400)

net narrow wide far
host dc a b
router r
link dc wide 192.0.2.1/24
link r wide 192.0.2.254/24
link r narrow 203.0.113.254/24 --mtu 1400
link r far 198.51.100.254/24 --mtu 1492
link a narrow 203.0.113.10/24 --mtu 1400
link a wide
link b far 198.51.100.20/24
gateway dc 192.0.2.254
gateway a 203.0.113.254
gateway b 198.51.100.254
on r nft -f - <<-NFT
	table inet silent {
		chain output {
			type filter hook output priority 0;
			icmp type { destination-unreachable, time-exceeded } drop
		}
	}
NFT
dc dc
node a alice dc log-level=debug
node b bob dc log-level=debug

# found MTU: is it what a found last, in bytes of the outer packet?
found() {
	[ "$(logs a ntmd | grep -oE 'path MTU [0-9]+' | tail -n 1)" = "path MTU $1" ]
}
moves_to() {
	addr_add a "$2" "$3"
	gateway a "$4"
	addr_del a "$1" "$5"
}
tcp() {
	iperf_server b
	check "$1: TCP" on a timeout 40 iperf3 -c "$(virtual4 b)" -n 3M -i 0
}

check "bob is reached" eventually 10 on a ping -c 1 -W 1 bob.example.net
check "the path MTU is the link's" eventually 10 found 1400
tcp "from the narrow link"

moves_to narrow wide 192.0.2.10/24 192.0.2.254 203.0.113.10/24
check "from the wide link bob is reached" eventually 10 on a ping -c 1 -W 1 "$(virtual4 b)"
check_not "what this link carries is not carried all the way" on a ping -c 1 -W 1 -s 1472 -M 'do' 198.51.100.20
check "what is, is found" eventually 10 found 1492
on a ip route flush cache # of what the tunnel told before
check "the largest packet that fits" on a ping -c 1 -W 2 -s $((1440 - 28)) -M 'do' "$(virtual4 b)"
tcp "from the wide link"

moves_to wide narrow 203.0.113.10/24 203.0.113.254 192.0.2.10/24
check "back on the narrow one" eventually 10 on a ping -c 1 -W 1 "$(virtual4 b)"
check "it is the link's again" eventually 10 found 1400
tcp "from the narrow link again"
