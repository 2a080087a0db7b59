# shellcheck shell=bash
# What tunnels do with single packets: MTU, fragments, ECN and DSCP, a firewall, somebody who watches, a peer that moves, a
# loop. Nodes of each data path; kernel-path.sh looks at the module alone.
# on: qemu-6.12 host
# on-long: uml/mixed qemu-6.12/mixed
# timeout: 240

. /mnt/lab/src/tests/e2e/lib/pair

pair
wire=$(if_of a internet)

tcp() {
	iperf_server b
	check "TCP, $1" on a iperf3 -c "$B4" -t 1 -i 0
	iperf_server b
	check "TCP, $1, the other way" on a iperf3 -c "$B4" -t 1 -i 0 -R
	iperf_server b
	check "TCP, $1, IPv6 inside" on a iperf3 -c "$B6" -t 1 -i 0
}

tcp "as it is"
iperf_server b
check "UDP" on a iperf3 -c "$B4" -t 1 -i 0 -u -b 10M

# Somebody watches
capture b ntm0 inside tcp port 5201
tcp "watched"
capture_stop inside
at_least "and are seen" "$(packets inside)" 10

# A firewall that tracks connections
for h in a b; do
	on "$h" nft -f - <<-NFT
		table inet t {
			chain i {
				type filter hook input priority 0; policy drop;
				iif lo accept
				ct state established,related accept
				ct state invalid counter drop
				iifname ntm0 tcp dport 5201 ct state new accept
				udp dport 4330 accept
				meta l4proto { icmp, ipv6-icmp } accept
			}
		}
	NFT
done
tcp "a firewall that tracks"
is "and finds nothing invalid" "$({ on a nft list ruleset; on b nft list ruleset; } | grep -c 'invalid counter packets 0 ')" 2
on a nft flush ruleset
on b nft flush ruleset

# DSCP and ECN: copied to the outer header; a mark on the way comes through
capture b internet tos 'udp port 4330 and ip[1] = 0xba and udp[8] & 0x80 != 0'
for _ in 1 2; do # each waits for its answer: two that wait to be read leave as one aggregate
	on a ping -c 1 -W 2 -Q 0xba "$B4"
done
capture_stop tos
at_least "the outer packet has the inner one's DSCP and ECN" "$(packets tos)" 2
on a nft -f - <<-NFT
	table inet t {
		chain p {
			type filter hook postrouting priority 300;
			oifname "$wire" udp dport 4330 ip ecn set ce
		}
	}
NFT
capture b ntm0 ce 'icmp[0] = 8 and ip[1] & 3 = 3'
on a ping -c 2 -i 0.2 -W 2 -Q 0x02 "$B4"
capture_stop ce
at_least "a congestion mark comes through" "$(packets ce)" 2
inner=$(drops b inner)
check_not "a mark on what may not be marked is dropped" on a ping -c 1 -W 1 -Q 0 "$B4"
at_least "and counted" "$(drops b inner)" $((inner + 1))
on a nft flush ruleset

# MTU: 1500 less 52 bytes
check "a packet of 1448 bytes passes" on a ping -c 1 -W 2 -M 'do' -s 1420 "$B4"
check_not "one of 1449 bytes does not" on a ping -c 1 -W 2 -M 'do' -s 1421 "$B4"
check "one of 8000 bytes that may be fragmented" on a ping -c 2 -i 0.2 -W 2 -M dont -s 8000 "$B4"
check "the same over IPv6" on a ping -c 2 -i 0.2 -W 2 -s 8000 "$B6"

# The peer moves: its next packet says where it is
addr_add a internet 192.0.2.77/24
addr_del a internet 192.0.2.1/24
addr_add a internet 192.0.2.77/24 2>/dev/null || true
check "a has another address" eventually 10 on a ping -c 1 -W 1 "$B4"
like "b knows it" "$(ctl b status --json)" '"address": "192\.0\.2\.77:4330"'

# The tunnel routed into itself
on a ip route add 192.0.2.2/32 dev ntm0
on a ping -c 2 -i 0.2 -W 1 "$B4" || true
on a ip route del 192.0.2.2/32 dev ntm0
check "a tunnel routed into itself does no harm" eventually 20 on a ping -c 1 -W 1 "$B4"
