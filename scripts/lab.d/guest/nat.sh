# shellcheck shell=bash
# NATs of each kind (RFC 4787), made of nftables and the kernel's connection tracking, for IPv4.
#
# Linux's own masquerading maps a UDP endpoint inside to the same port outside whatever the destination, but only as long as
# nobody else inside uses that port. Here an endpoint's mapping is written down when its first packet leaves (map "out", and
# "in" for the way back) and holds for all its packets; whom it has written to stands in "sent". Packets from outside that
# belong to no known connection are translated by "in", and then dropped if the kind of NAT does not let their sender in.
# A dropped packet leaves no connection behind, so that a punch that comes too early does no harm.

NAT_KINDS="full-cone address-restricted port-restricted symmetric"

# nat ROUTER NET [--kind KIND] [--hairpin] [--timeout SECONDS]
nat() {
	local router=$1 net=$2 dev kind=port-restricted hairpin='' timeout=''
	shift 2
	while [ $# -gt 0 ]; do
		case $1 in
		--kind) kind=$2 && shift ;;
		--hairpin) hairpin=1 ;;
		--timeout) timeout=$2 && shift ;;
		*) lab_die "nat: no option '$1'" ;;
		esac
		shift
	done
	[[ " $NAT_KINDS " = *" $kind "* ]] || lab_die "nat: no kind '$kind' (there are: $NAT_KINDS)"
	[ "$kind$hairpin" != symmetric1 ] || lab_die "nat: a symmetric NAT lets nobody in, and so no hairpin"
	dev=$(if_of "$router" "$net")
	nat_table "$dev" "$kind" "$hairpin" "${timeout:-120}" | on "$router" nft -f -
	[ -z "$timeout" ] || nat_timeout "$router" "$timeout"
}

# nat_reset ROUTER NET: it forgets all mappings and connections, as a NAT that starts again
nat_reset() {
	local table set
	table=lab_nat_$(if_of "$1" "$2")
	for set in $(on "$1" nft list table ip "$table" | awk '$1 == "map" || $1 == "set" { print $1 "/" $2 }'); do
		on "$1" nft flush "${set%/*}" ip "$table" "${set#*/}"
	done
	on "$1" sh -c "conntrack -F 2>/dev/null"
}

# The kernel forgets a connection after this time, one with packets in both directions too
nat_timeout() {
	on "$1" sh -c "cd /proc/sys/net/netfilter; echo $2 >nf_conntrack_udp_timeout; echo $2 >nf_conntrack_udp_timeout_stream"
}

# nat_table DEV KIND HAIRPIN TIMEOUT: the rules, in place of those that may be there
nat_table() {
	local table="lab_nat_$1"
	echo "table ip $table; delete table ip $table"
	echo "table ip $table {"
	if [ "$2" = symmetric ]; then
		nat_symmetric "$1"
	else
		nat_sets "$2" "$4"
		nat_translate "$1" "$3"
		nat_track "$1"
		nat_filter "$2"
	fi
	nat_router_itself "$1" "$2" "$3"
	echo "}"
}

# nat_router_itself DEV KIND HAIRPIN: what has no mapping ends here. So does what comes from inside for the outer address, if there is
# no hairpin; if there is, it was written to.
nat_router_itself() {
	local inside="iifname != { \"$1\", \"lo\" } meta l4proto udp fib daddr . iif type != local" to="ip daddr . udp dport"
	[ "$2" != address-restricted ] || to="ip daddr"
	cat <<-NFT
		chain itself {
			type filter hook input priority filter
			iifname "$1" meta l4proto udp ct state new drop
			${3:+$inside update @sent { ip saddr . udp sport . $to \}}
			$inside drop
		}
	NFT
}

nat_symmetric() {
	cat <<-NFT
		chain post {
			type nat hook postrouting priority srcnat
			oifname "$1" masquerade fully-random
		}
	NFT
}

# "ports" are the outer ports in use. Whom an endpoint wrote to counts by address, or by address and port.
nat_sets() {
	local kind=$1 common="flags dynamic,timeout; timeout $2s; size 65535" endpoint="ipv4_addr . inet_service" peer
	peer=$endpoint
	[ "$kind" != address-restricted ] || peer=ipv4_addr
	cat <<-NFT
		map out { type $endpoint : $endpoint; $common; }
		map in { type $endpoint : $endpoint; $common; }
		set ports { type inet_service; $common; }
		set sent { type $endpoint . $peer; $common; }
	NFT
}

# An endpoint keeps its port if it can, and gets a high one if somebody else has it.
nat_translate() {
	local from="iifname \"$1\""
	[ -z "$2" ] || from=''
	cat <<-NFT
		chain pre {
			type nat hook prerouting priority dstnat
			$from meta l4proto udp dnat ip to ip daddr . udp dport map @in
		}
		chain post {
			type nat hook postrouting priority srcnat
			oifname "$1" meta l4proto udp jump leave
			oifname "$1" masquerade
			iifname != "$1" meta l4proto udp ct status dnat jump turn
		}
		chain leave {
			snat ip to ip saddr . udp sport map @out
			udp sport @ports masquerade to :32768-65535 random
			masquerade
		}
		chain turn {
			snat ip to ip saddr . udp sport map @out
			udp sport @ports snat ip to ct original ip daddr:32768-65535 random
			snat ip to ct original ip daddr
		}
	NFT
}

# Behind the translation, on every packet. A connection begun inside has its inner end as source and its outer one as
# destination of the replies; one begun outside the other way round; a hairpin is both at once.
nat_track() {
	cat <<-NFT
		chain track {
			type filter hook postrouting priority srcnat + 10
			meta l4proto != udp return
			oifname "$1" ct direction original jump sends
			oifname "$1" ct direction reply jump answers
			iifname "$1" ct direction original jump asked
			iifname "$1" ct direction reply jump mine
			iifname != "$1" oifname != "$1" ct status dnat ct direction original jump sends
			iifname != "$1" oifname != "$1" ct status dnat ct direction original jump asked
			iifname != "$1" oifname != "$1" ct status dnat ct direction reply jump answers
			iifname != "$1" oifname != "$1" ct status dnat ct direction reply jump mine
		}
		chain asked {
			ct state new jump let_in
			jump theirs
		}
		chain mine {
			meta l4proto udp update @out { $NAT_ORIG_SRC : $NAT_REPLY_DST }
			meta l4proto udp update @in { $NAT_REPLY_DST : $NAT_ORIG_SRC }
			meta l4proto udp update @ports { ct reply proto-dst }
		}
		chain theirs {
			meta l4proto udp update @out { $NAT_REPLY_SRC : $NAT_ORIG_DST }
			meta l4proto udp update @in { $NAT_ORIG_DST : $NAT_REPLY_SRC }
			meta l4proto udp update @ports { ct original proto-dst }
		}
	NFT
}

NAT_ORIG_SRC="ct original ip saddr . ct original proto-src"
NAT_ORIG_DST="ct original ip daddr . ct original proto-dst"
NAT_REPLY_SRC="ct reply ip saddr . ct reply proto-src"
NAT_REPLY_DST="ct reply ip daddr . ct reply proto-dst"

# nat_filter KIND: who has been written to, and who is let in
nat_filter() {
	local to=$NAT_ORIG_DST from=$NAT_REPLY_DST
	if [ "$1" = address-restricted ]; then
		to="ct original ip daddr" from="ct reply ip daddr"
	fi
	cat <<-NFT
		chain sends {
			meta l4proto udp update @sent { $NAT_ORIG_SRC . $to }
			jump mine
		}
		chain answers {
			meta l4proto udp update @sent { $NAT_REPLY_SRC . $from }
			jump theirs
		}
	NFT
	if [ "$1" = full-cone ]; then
		echo "chain let_in { }"
	else
		echo "chain let_in { meta l4proto udp $NAT_REPLY_SRC . $from @sent return; drop; }"
	fi
}
