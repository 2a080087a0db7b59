# shellcheck shell=bash
# What tunnels over IPv6 do with the headers of packets: DSCP, ECN and the hop limit, of IPv4 and of IPv6 inside.
# on: qemu-6.12 uml/mixed host
# on-long: qemu-6.1 uml-debug qemu-6.12/mixed
# timeout: 180
#
#   dc, a, b ---- internet, IPv6 alone

. /mnt/lab/src/tests/e2e/lib/pair

net internet
host dc a b
link dc internet 2001:db8::9/64
link a internet 2001:db8::1/64
link b internet 2001:db8::2/64
dns dc
dc dc
for h in a b; do
	resolver $h 2001:db8::9
	node $h $h dc
done
to4=$(virtual4 b) to6=$(virtual6 b)
require "$(datapath_of a) and $(datapath_of b): a tunnel stands" on a ping -c 1 -W 2 b.example.net
wire=$(if_of a internet)

# Outside all is IPv6: bits 4 to 11 are the traffic class, byte 7 the hop limit. Data packets alone.
DATA='src host 2001:db8::1 and udp dst port 4330 and ip6[48] & 0x80 != 0'

# both OPTION...: two pings to each of b's virtual addresses. Each waits for its answer: two that wait to be read leave as one aggregate
both() {
	local to
	for to in "$to4" "$to4" "$to6" "$to6"; do
		on a ping -c 1 -W 2 "$@" "$to" || return
	done
}

capture b internet class "$DATA and (ip6[0:2] & 0x0ff0) = 0x0ba0"
both -Q 0xba
capture_stop class
is "the outer packet has the inner one's DSCP and ECN, of both families" "$(packets class)" 4

capture b internet limit "$DATA and ip6[7] = 64"
capture b ntm0 inner4 'icmp[0] = 8 and ip[8] = 3'
capture b ntm0 inner6 'ip6[40] = 128 and ip6[7] = 3'
both -t 3
for name in limit inner4 inner6; do
	capture_stop $name
done
is "an inner hop limit of 3 is no matter of the outer packet" "$(packets limit)" 4
is "and arrives as it was, IPv4 and IPv6" "$(packets inner4) $(packets inner6)" "2 2"

on a nft -f - <<-NFT
	table inet t {
		chain p {
			type filter hook postrouting priority 300;
			oifname "$wire" udp dport 4330 ip6 ecn set ce
		}
	}
NFT
capture b ntm0 ce4 'icmp[0] = 8 and ip[1] & 3 = 3'
capture b ntm0 ce6 'ip6[40] = 128 and (ip6[1] & 0x30) = 0x30'
both -Q 0x02
capture_stop ce4
capture_stop ce6
is "a congestion mark comes through, IPv4 and IPv6" "$(packets ce4) $(packets ce6)" "2 2"
inner=$(drops b inner)
check_not "a mark on what may not be marked is dropped, IPv4" on a ping -c 1 -W 1 -Q 0 "$to4"
check_not "and IPv6" on a ping -c 1 -W 1 -Q 0 "$to6"
is "and counted" $(($(drops b inner) - inner)) 2
on a nft flush ruleset
check "without marks all is well" both -Q 0
