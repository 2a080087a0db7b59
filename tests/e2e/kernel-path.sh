# shellcheck shell=bash
# on: qemu-6.12
# on-long: qemu-6.1 uml-debug
# without: tun mixed: the module by itself
# timeout: 240
# What the kernel path does with single packets: MTU, fragments, ECN and DSCP, a peer that moves, a loop, offloads switched
# off, somebody who watches. Fixed keys, no daemon.

. /mnt/lab/src/tests/e2e/lib/fixed-keys

fixed_pair "${SUITE:-1}"
wire_a=$(if_of a internet)
wire_b=$(if_of b internet)
on a ip link set ntm0 mtu 1448
on b ip link set ntm0 mtu 1448

tcp() {
	iperf_server b
	check "TCP, $1" on a iperf3 -c 10.9.0.2 -t 1 -i 0
	iperf_server b
	check "TCP, $1, the other way" on a iperf3 -c 10.9.0.2 -t 1 -i 0 -R
	iperf_server b
	check "TCP, $1, IPv6 inside" on a iperf3 -c fd09::2 -t 1 -i 0
}

drop() {
	on "$1" ntm-cfg dev get ntm0 | grep -oE "\bdrop_$2=[0-9]+" | cut -d= -f2
}

tcp "as it is"

# Offloads, inside and outside
on b ethtool -K ntm0 gro off
tcp "no merging"
on b ethtool -K ntm0 gro on
on a ethtool -K ntm0 tso off gso off
tcp "no GSO inside"
on a ethtool -K ntm0 tso on gso on
on a ethtool -K "$wire_a" tx off sg off
on b ethtool -K "$wire_b" tx off sg off
tcp "no checksum offload outside"
on a ethtool -K "$wire_a" tx on sg on tso on gso on
on b ethtool -K "$wire_b" tx on sg on tso on gso on

# Somebody watches: the packets take the ordinary way
capture b ntm0 inside tcp port 5201
tcp "watched"
capture_stop inside
at_least "and are seen" "$(packets inside)" 10
on a tc qdisc add dev ntm0 root pfifo limit 500
tcp "through a queue"
on a tc qdisc del dev ntm0 root

# A firewall that tracks connections
for host in a b; do
	on "$host" nft -f - <<-NFT
		table inet t {
			chain i {
				type filter hook input priority 0; policy drop;
				ct state established,related accept
				ct state invalid counter drop
				tcp dport 5201 ct state new accept
				udp dport 4330 accept
				meta l4proto { icmp, ipv6-icmp } accept
			}
			chain o {
				type filter hook output priority 0;
				ct state invalid counter drop
			}
		}
	NFT
done
tcp "a firewall that tracks"
is "and finds nothing invalid" "$({ on a nft list ruleset; on b nft list ruleset; } | grep -c 'invalid counter packets 0 ')" 4
on a nft flush ruleset
on b nft flush ruleset

# DSCP and ECN: copied to the outer header; a mark on the way comes through
capture b internet tos 'udp port 4330 and ip[1] = 0xba'
on a ping -c 2 -i 0.2 -W 2 -Q 0xba 10.9.0.2
capture_stop tos
at_least "the outer packet has the inner one's DSCP and ECN" "$(packets tos)" 2
on a nft -f - <<-NFT
	table inet t {
		chain p {
			type filter hook postrouting priority 300;
			oifname "$wire_a" udp dport 4330 ip ecn set ce
		}
	}
NFT
capture b ntm0 ce 'icmp[0] = 8 and ip[1] & 3 = 3'
on a ping -c 2 -i 0.2 -W 2 -Q 0x02 10.9.0.2
capture_stop ce
at_least "a congestion mark comes through" "$(packets ce)" 2
check_not "a mark on what may not be marked is dropped" on a ping -c 1 -W 1 -Q 0 10.9.0.2
at_least "and counted" "$(drop b inner)" 1
on a nft flush ruleset

# MTU
on a ip route add 192.0.2.2/32 dev "$wire_a" mtu 1400
check_not "a packet above the path's MTU that may not be fragmented" on a ping -c 2 -i 0.2 -W 1 -M 'do' -s 1400 10.9.0.2
like "its sender hears of it" "$(cat "$LAB_STATE/output")" 'mtu ?= ?1348'
at_least "and it is counted" "$(drop a too_big)" 1
check "one that may" on a ping -c 3 -i 0.2 -W 1 -M dont -s 1400 10.9.0.2
check "one of 8000 bytes" on a ping -c 2 -i 0.2 -W 1 -M dont -s 8000 10.9.0.2
tcp "with a smaller path MTU"
on a ip route del 192.0.2.2/32

# The peer moves: its next packet says where it is
on a ip addr add 192.0.2.77/24 dev "$wire_a"
on a ip addr del 192.0.2.1/24 dev "$wire_a"
on a ip addr add 192.0.2.77/24 dev "$wire_a" 2>/dev/null || true
check "a has another address" eventually 5 on a ping -c 1 -W 1 10.9.0.2
like "b knows it" "$(on b ntm-cfg path get ntm0 7)" '192\.0\.2\.77[: ]+4330'

# The tunnel routed into itself
on a ip route add 192.0.2.2/32 dev ntm0
on a ping -c 2 -i 0.2 -W 1 10.9.0.2 || true
at_least "a loop is found" "$(drop a loop)" 1
on a ip route del 192.0.2.2/32 dev ntm0
check "and nothing is harmed" on a ping -c 2 -i 0.2 -W 2 10.9.0.2

# Two tunnels, each routed into the other
on a ip link add ntm1 type ntm
on a ip link set ntm1 up
bg a owner1 sh -c "printf '%s\n' 'dev set ntm1 port4 4331' \
	'path set ntm1 8 create v4 192.0.2.2 peer 192.0.2.3 4330 key 1 1 $FIXED_A $FIXED_B' \
	'path set ntm0 9 create v4 192.0.2.3 peer 192.0.2.2 4330 key 1 1 $FIXED_A $FIXED_B' \
	'listen 1000' | ntm-cfg -"
check "a second tunnel" eventually 5 eval 'on a ntm-cfg path get ntm0 9 2>/dev/null | grep -q epoch=1'
loops() {
	echo $(($(drop a loop) + $(on a ntm-cfg dev get ntm1 | grep -oE '\bdrop_loop=[0-9]+' | cut -d= -f2)))
}
before=$(loops)
on a ip route add 192.0.2.2/32 dev ntm1 src 192.0.2.77
on a ip route add 192.0.2.3/32 dev ntm0 src 192.0.2.77
on a ping -c 3 -i 0.2 -W 1 10.9.0.2 || true
at_least "a loop by way of two devices is found, each time" $(($(loops) - before)) 3
on a ip route del 192.0.2.2/32
on a ip route del 192.0.2.3/32
check "and nothing is harmed by that one" on a ping -c 2 -i 0.2 -W 2 10.9.0.2
