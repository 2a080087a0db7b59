# on: qemu-6.12
# on-long: qemu-6.1
# without: tun mixed: the module by itself
# timeout: 150
# Packets that do not come to the device by an ordinary route of it: redirected by tc, with the route of another device or
# none; encapsulated by their route; forwarded after reassembly; with a checksum that is none of the Internet's.
#
#   c 192.0.2.3 ---- internet ---- 192.0.2.1 a, 192.0.2.2 b
#                                  ntm0 10.9.0.1, ntm0 10.9.0.2

. /mnt/lab/src/tests/e2e/lib/fixed-keys

fixed_pair
host c
link c internet 192.0.2.3/24

# received: packets by b's path; drop CAUSE, errors: what a's device counted
received() {
	on b ntm-cfg path get ntm0 7 | grep -oE '\brx_packets=[0-9]+' | cut -d= -f2
}
drop() {
	on a ntm-cfg dev get ntm0 | grep -oE "\bdrop_$1=[0-9]+" | cut -d= -f2
}
errors() {
	on a cat /sys/class/net/ntm0/statistics/tx_errors
}
redirect() {
	on a tc qdisc add dev "$1" clsact
	on a tc filter add dev "$1" "$2" matchall action mirred egress redirect dev ntm0
}
check "a packet passes" on a ping -c 1 -W 2 10.9.0.2
on a ip route add 192.0.2.2/32 dev "$(if_of a internet)" mtu 1300

# From a tunnel whose packets have its metadata where others have a route
modprobe ipip
on c ip link add tun1 type ipip local 192.0.2.3 remote 192.0.2.1
on c ip addr add 10.9.0.1/32 dev tun1
on c ip link set tun1 up
on c ip route add 10.9.0.2/32 dev tun1
on a ip link add tun1 type ipip external
on a ip link set tun1 up
redirect tun1 ingress
before=$(received)
on c ping -c 1 -W 1 10.9.0.2 || true
is "a packet without a route of its own is sent" "$(received)" $((before + 1))
before=$(received) dropped=$(drop too_big)
on c ping -c 1 -W 1 -M dont -s 1300 10.9.0.2 || true
on c ping -c 1 -W 1 -M 'do' -s 1300 10.9.0.2 || true
is "those too big for the path are dropped" "$(received)" "$before"
is "and counted" "$(drop too_big)" $((dropped + 2))

# From another device, with its route
on a ip link add other type dummy
on a ip link set other up
redirect other egress
on a ip route add 10.9.0.2/32 dev other src 10.9.0.1
before=$(received)
on a ping -c 1 -W 1 10.9.0.2 || true
is "a packet with another device's route is sent" "$(received)" $((before + 1))
before=$(received) dropped=$(drop too_big)
on a ping -c 1 -W 1 -M dont -s 1300 10.9.0.2 || true
is "one too big for the path is dropped" "$(received)" "$before"
is "and counted, with that route" "$(drop too_big)" $((dropped + 1))
on a ip link del other

# A route that encapsulates: never sent bare
modprobe -a mpls_router mpls_iptunnel
on a ip route add 10.9.0.2/32 encap mpls 100 dev ntm0 src 10.9.0.1
before=$(received) refused=$(errors)
on a ping -c 2 -i 0.2 -W 1 10.9.0.2 || true
is "a packet that its route encapsulates is not sent bare" "$(received)" "$before"
is "the device refuses what comes of it" "$(errors)" $((refused + 2))
on a ip route del 10.9.0.2/32

# Reassembled on the way, to be cut again as its sender did
on a sysctl -q net.ipv4.ip_forward=1
on a nft -f - <<-NFT
	table inet t {
		chain p {
			type nat hook postrouting priority 100;
			oifname ntm0 masquerade
		}
	}
NFT
on c ip link del tun1
on a ip link del tun1
on a ip route del 192.0.2.2/32
on c ip route add 10.9.0.2/32 via 192.0.2.1 mtu lock 700
capture b ntm0 fragments 'icmp and src 10.9.0.1 and ip[6:2] & 0x3fff != 0'
check "forwarded fragments" on c ping -c 3 -i 0.2 -W 1 -M dont -s 1200 10.9.0.2
capture_stop fragments
is "arrive as fragments" "$(packets fragments)" 6

# SCTP: its checksum is a CRC, left to the last device by that of the sender
modprobe sctp
on c ip route replace 10.9.0.2/32 via 192.0.2.1
iperf_server b
check "forwarded SCTP" on c timeout 10 iperf3 -c 10.9.0.2 --sctp -t 1 -i 0
on a nft flush ruleset
iperf_server b
check "SCTP" on a iperf3 -c 10.9.0.2 --sctp -t 1 -i 0
check "and nothing is harmed" on a ping -c 2 -i 0.2 -W 2 10.9.0.2
