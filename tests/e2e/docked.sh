# shellcheck shell=bash
# A laptop is docked: a better default route leads over Ethernet now, and WLAN stays up with its address. What it sends leaves by Ethernet, so
# it must have Ethernet's address: with WLAN's the provider drops it, or a NAT translates it to what no answer gets through. Then the
# route alone goes and comes.
# on: host uml/mixed
# on-long: qemu-6.12 qemu-6.12/mixed
# timeout: 300
#
#   a --- wlan (203.0.113.0/24) ---- w --- internet (192.0.2.0/24): dc, b
#     \-- ether (198.51.100.0/24) -- e --/

net internet wlan ether
host dc a b
router w e
link dc internet 192.0.2.1/24 2001:db8::1/64
link b internet 192.0.2.20/24 2001:db8::20/64 --delay 5ms
link w internet 192.0.2.253/24 2001:db8::253/64
link w wlan 203.0.113.254/24 2001:db8:1::254/64
link e internet 192.0.2.254/24 2001:db8::254/64
link e ether 198.51.100.254/24 2001:db8:2::254/64
link a wlan 203.0.113.10/24
link a ether
for h in dc b; do
	on $h ip route add 203.0.113.0/24 via 192.0.2.253
	on $h ip route add 198.51.100.0/24 via 192.0.2.254
	on $h ip -6 route add 2001:db8:1::/64 via 2001:db8::253
	on $h ip -6 route add 2001:db8:2::/64 via 2001:db8::254
done
WLAN4="default via 203.0.113.254 metric 600" ETHER4="default via 198.51.100.254 metric 100"
# shellcheck disable=SC2034 # by name
WLAN6="default via 2001:db8:1::254 metric 600" ETHER6="default via 2001:db8:2::254 metric 100"

# route add|del WORDS: a route of a's
route() {
	local family=-4
	[[ $2 != *::* ]] || family=-6
	# shellcheck disable=SC2086 # the words
	on a ip $family route "$1" $2
}

# A provider lets nobody send with others' addresses (BCP 38)
filters() {
	on "$1" nft -f - <<-NFT
		table inet bcp38 {
			chain forward {
				type filter hook forward priority 0;
				iifname "$(if_of "$1" "$2")" ip saddr != $3 drop
				iifname "$(if_of "$1" "$2")" ip6 saddr != $4 drop
			}
		}
	NFT
}
filters w wlan 203.0.113.0/24 2001:db8:1::/64
filters e ether 198.51.100.0/24 2001:db8:2::/64

# passes: bob answers a packet at once
passes() {
	on a ping -c 1 -W 1 "$(virtual4 b)"
}

# settled: and 2 s are over in which the path would not go back to the way that it left
settled() {
	passes
	sleep 2.2
	passes
}

# undo_route add|del WORDS: where a route was added or deleted already, as by a try that counts for nothing
undo_route() {
	case $1 in
	add) route del "$2" ;;
	del) route add "$2" ;;
	esac 2>/dev/null
}

# handover TEXT add|del WORDS: a route of a's comes or goes while packets pass, 20 a second. Counted are the answers that are missing, so
# that a machine that is slow, and answers late, is no matter.
handover() {
	steadily 100 one_handover "$@"
}
one_handover() {
	local text=$1 lost
	! undo_route "$2" "$3" || eventually 10 settled || true
	bg_anew a pings ping -i 0.05 -c 100 -W 2 -q "$(virtual4 b)"
	sleep 2
	route "$2" "$3"
	wait_for a pings 30
	lost=$(logs a pings | awk '/packets transmitted/ { print $1 - $4 }')
	at_most "$text: at once" "$lost" 4
}

# dock_and_back FAMILY ETHER: with its address, and then the route alone
dock_and_back() {
	local wlan=WLAN$1 ether=ETHER$1
	addr_add a ether "$2"
	route add "${!ether}"
	check "IPv$1: docked, bob answers" eventually 2 passes
	handover "IPv$1: its route goes" del "${!ether}"
	handover "IPv$1: and comes" add "${!ether}"
	route del "${!ether}"
	addr_del a ether "$2"
	check "IPv$1: undocked, bob answers" eventually 5 passes
	addr_add a ether "$2"
	handover "IPv$1: its route comes after its address" add "${!ether}"
	route del "${!wlan}"
	check "IPv$1: without WLAN's route" eventually 2 passes
	route add "${!wlan}"
}

route add "$WLAN4"
dc dc
node a alice dc log-level=debug
node b bob dc log-level=debug
check "by WLAN bob is reached" eventually 10 on a ping -c 1 -W 1 bob.example.net

dock_and_back 4 198.51.100.10/24

# A NAT in the filter's place
route del "$ETHER4"
check "back by WLAN" eventually 2 passes
on e nft delete table inet bcp38
nat e internet
handover "behind a NAT: the route comes" add "$ETHER4"
handover "it goes" del "$ETHER4"

# leaves HOST NET ADDRESS: while a pings bob, packets leave HOST by this link with this source
leaves() {
	capture "$1" "$2" left udp and src host "$3"
	on a ping -c 5 -i 0.1 -W 1 -q "$(virtual4 b)" || true
	capture_stop left
	[ "$(packets left)" -ge 5 ]
}

# Routes that a rule has for WLAN's address: what bob sends there is answered from there, by the link that the rule says
by_rule() {
	route del "$ETHER4"
	settled
	on a ip rule add from 203.0.113.10 lookup 7
	[ "$1" = ether ] || route add "$ETHER4"
	leaves a "$1" 203.0.113.10
	local left=$?
	on a ip rule del from 203.0.113.10 lookup 7
	[ "$1" != ether ] || route add "$ETHER4"
	passes
	return $left
}
route add "$ETHER4"
on a ip route add default via 203.0.113.254 table 7
check "a rule for the source is kept to: WLAN" eventually 10 by_rule wlan
on a ip route replace default via 198.51.100.254 table 7
check "and if it is Ethernet" eventually 10 by_rule ether

check "it stays there" settled
# An address of lo, to which a router leads what is for bob
on b ip addr add 192.0.2.99/32 dev lo
on w ip route add 192.0.2.99 via 192.0.2.20
on e ip route add 192.0.2.99 via 192.0.2.20
for r in w e; do
	on $r nft -f - <<-NFT
		table ip divert {
			chain forward {
				type filter hook forward priority 0;
				ip daddr 192.0.2.20 udp dport 4330 ip daddr set 192.0.2.99
			}
		}
	NFT
done
check "bob answers from an address of lo" leaves b internet 192.0.2.99
for r in w e; do
	on $r nft delete table ip divert
done

# The same over IPv6
addr_add a wlan 2001:db8:1::10/64
route add "$WLAN6"
addr_del a ether 198.51.100.10/24
addr_del a wlan 203.0.113.10/24
filters e ether 198.51.100.0/24 2001:db8:2::/64
check "by WLAN bob is reached over IPv6" eventually 10 passes
dock_and_back 6 2001:db8:2::10/64
