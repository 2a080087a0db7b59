# shellcheck shell=bash
# on: qemu-6.12 qemu-6.12/tun
# on-long: qemu-6.1 uml/mixed uml-debug
# timeout: 240
# What a path may carry: what its route has room for, and no more than it was told. How to find out: datagrams with DF that go
# whatever the kernel has learnt. Fixed keys, no daemon.
#
#   a 192.0.2.1 ---- near ---- r ---- far ---- b 198.51.100.2
#   ntm0 10.9.0.1                              ntm0 10.9.0.2

. /mnt/lab/src/tests/e2e/lib/fixed-keys
. /mnt/lab/src/tests/e2e/lib/data-path

net near far
host a b
router r
link a near 192.0.2.1/24 2001:db8:1::1/64 --mtu 9252
link r near 192.0.2.254/24 2001:db8:1::fe/64 --mtu 9252
link r far 198.51.100.254/24 2001:db8:2::fe/64 --mtu 9252
link b far 198.51.100.2/24 2001:db8:2::2/64 --mtu 9252
gateway a 192.0.2.254 2001:db8:1::fe
gateway b 198.51.100.254 2001:db8:2::fe
# mtu BYTES HOST NET...: of the links at these ends, on the hosts' side
mtu() {
	local bytes=$1
	shift
	while [ $# -gt 0 ]; do
		on "$1" ip link set "$(if_of "$1" "$2")" mtu "$bytes"
		shift 2
	done
}
mtu 1500 a near r near r far b far

dp_start a 10.9.0.1 fd09::1 10.9.0.2 fd09::2 198.51.100.2 "$FIXED_A" "$FIXED_B"
dp_start b 10.9.0.2 fd09::2 10.9.0.1 fd09::1 192.0.2.1 "$FIXED_B" "$FIXED_A"
require "both are there" eventually 30 eval "dp_ready a && dp_ready b"

# tcp_six: TCP over IPv6 inside; both ends learn of 1280 bytes
tcp_six() {
	on a ip -6 route replace fd09::/64 dev ntm0 mtu 1280
	iperf_server b
	on a iperf3 -c fd09::2 -n 300K -i 0
}
# drops HOST: those of packets that did not come as they were sent
drops() {
	answer_of "$1" dp USR1 '^drops 0:' | sed -nE 's/.* short=([0-9]+).* auth=([0-9]+).*/\1 \2/p'
}

# inner BYTES: an IPv4 packet of this size passes, which may not be fragmented; of one more its sender hears how much does
inner() {
	on a ip route flush cache # of what the tunnel has told before
	check "$1 bytes pass" eventually 5 on a ping -c 1 -W 1 -M 'do' -s $(($1 - 28)) 10.9.0.2
	check_not "a byte more does not" on a ping -c 4 -i 0.2 -W 1 -M 'do' -s $(($1 - 27)) 10.9.0.2
	like "its sender hears of it" "$(cat "$LAB_STATE/output")" "mtu ?= ?$1"
}

order a path mtu 65535
inner 1448
order a path mtu 1300
inner 1300
order a path mtu 1000
inner 1000
check "IPv6 inside has its 1280 bytes all the same" on a ping -6 -c 1 -W 2 -M 'do' -s 1232 fd09::2
check_not "and no more" on a ping -6 -c 2 -i 0.2 -W 1 -M 'do' -s 1233 fd09::2
order a path mtu 65535
inner 1448
order_fails a path mtu 575
order_fails a path mtu 65536

mtu 1400 r far b far
check "the route becomes narrow" eventually 15 on a ping -c 1 -W 1 -M dont -s 1400 10.9.0.2
inner 1348
check "which is told" eventually 5 eval 'logs a dp | grep -q "^mtu 7 1348$"'
order a path mtu 1320
inner 1320
order a path mtu 1400
inner 1348

# Probes. The route's MTU is known to be 1400
capture r near probes 'src host 192.0.2.1 and udp and greater 1400 and ip[6] & 0x40 != 0'
order a probe 198.51.100.2 1472
order a probe 198.51.100.2 1372
check "a probe that fits arrives" eventually 5 eval 'logs b dp | grep -q "^signal 1372 from 192.0.2.1:4330$"'
capture_stop probes
is "both left, whole and with DF" "$(packets probes)" 2
unlike "one that is too big for the way does not arrive" "$(logs b dp)" '^signal 1472'
order a send 198.51.100.2 1472
check "without DF it does" eventually 5 eval 'logs b dp | grep -q "^signal 1472 from"'
order_says a "sent 1473: -90" probe 198.51.100.2 1473
order a send 198.51.100.2 1473
check "which is too big for the link, and goes in fragments" eventually 5 eval 'logs b dp | grep -q "^signal 1473 from"'
order_says a "sent 1453: -90" probe 2001:db8:2::2 1453
order a probe 2001:db8:2::2 1452
order a send 2001:db8:2::2 9224
check "in fragments, the longest arrives over IPv6" eventually 5 eval 'logs b dp | grep -q "^signal 9224 from"'
unlike "1452 bytes over IPv6 did not" "$(logs b dp)" '^signal 1452'
mtu 1500 r far b far
order a probe 2001:db8:2::2 1452
check "they do when the way is wide again, whatever the kernel has learnt" eventually 5 eval 'logs b dp | grep -q "^signal 1452 from"'

# Networks that tell nobody, narrower than what IPv6 inside is promised: the path knows, the route does not
mtu 1280 r far b far
on r nft -f - <<-'NFT'
	table inet t {
		chain o {
			type filter hook output priority 0;
			icmp type destination-unreachable drop
			icmpv6 type packet-too-big drop
		}
	}
NFT
on a ip route flush cache
on a ip -6 route flush cache
six() { on a ping -6 -c 1 -W 1 -M 'do' -s 1232 fd09::2; }
order a path peer 2001:db8:2::2
check_not "over IPv6, 1280 bytes of it get lost" six
order a path mtu 1208
if [ "$(dp_way a)" = kernel ]; then # a socket cannot be told to cut what fits its route
	capture a near cut 'ip6[6] = 44 and greater 1280'
	check "in fragments they pass" eventually 10 six
	check "TCP, too" tcp_six
	capture_stop cut
	at_least "which leave as such" "$(packets cut)" 2
	is "none larger than the least that IPv6 links take" "$(packets cut 'greater 1295')" 0
fi
order a path peer 198.51.100.2
check "over IPv4 they pass, which the network cuts" eventually 10 six
check "TCP, too" tcp_six
is "nothing was spoilt" "$(drops b)" "0 0"
order a path mtu 65535
on r nft flush ruleset

# A way of large packets
mtu 9252 a near r near r far b far
order a probe 198.51.100.2 9224
check "the longest probe arrives over IPv4" eventually 5 eval 'logs b dp | grep -q "^signal 9224 from 192"'
