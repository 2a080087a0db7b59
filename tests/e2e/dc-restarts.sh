# shellcheck shell=bash
# The coordinator is killed in the middle of a set-up, at each of its moments, and started again: the set-up completes, and tunnels
# that stand do not notice.
# on: host
# on-long: uml/mixed qemu-6.12 qemu-6.12/mixed
# timeout: 300
#
#   mn 192.0.2.10, cn 192.0.2.20, other 192.0.2.30 ---- internet ---- dc 192.0.2.1 (keepalive 4 s)
#
# Outcome: the peer is reached within 10 s of the DC's start (a peer with nothing to say finds out by its next Keep Alive, so that this
# is KEEPALIVE, what a new session takes, and a query that is asked again), and packets between mn and other pass all the while.
#
# The moments, made with a firewall on the DC's host that loses what would have come next:
#   request     the Direction Request has arrived, neither Route Direction has left
#   asker       the Route Direction has reached the asker alone
#   peer        it has reached the peer alone
#   both        it has reached both: then no coordinator is needed

PEER_WITHIN=10

net internet
host dc mn cn other
link dc internet 192.0.2.1/24
link mn internet 192.0.2.10/24
link cn internet 192.0.2.20/24
link other internet 192.0.2.30/24
for h in mn cn other; do
	resolver $h 127.0.0.1 # nobody is there: names come from ntmd, or not at all
done
dc dc keepalive=4
for h in mn cn other; do
	node $h $h dc log-level=debug # which tells of a Route Direction
done

# lose ADDRESS...: nothing from the DC gets there
lose() {
	local addr
	on dc nft add table ip lose
	on dc nft add chain ip lose out '{ type filter hook output priority 0; }'
	for addr in "$@"; do
		on dc nft add rule ip lose out ip daddr "$addr" udp sport 4330 counter drop
	done
}
lost() {
	on dc nft list table ip lose | grep -oE "daddr $1 .*packets [0-9]+" | sed -E 's/.*packets //'
}
direction_is_lost() {
	[ "$(lost "$1")" -gt 0 ]
}
no_tunnel() {
	! ctl "$1" | grep -qE "^(mn|cn)\.example\.net .* up "
}
forget_both() {
	ctl mn forget cn.example.net || true
	ctl cn forget mn.example.net || true
	eventually 5 no_tunnel mn
	eventually 5 no_tunnel cn
	KNEW=([mn]=$(directions mn) [cn]=$(directions cn))
} >/dev/null 2>&1
directions() {
	grep -cE '(mn|cn)\.example\.net: Route Direction' "$LAB_OUT/$1/ntmd.log" || true
}
declare -A KNEW
knows() { # HOST: of a direction since forget_both
	[ "$(directions "$1")" -gt "${KNEW[$1]}" ]
}
reached() {
	on mn dig +tries=1 +time=5 cn.example.net A | grep -q NOERROR && on mn ping -c 1 -W 1 "$(virtual4 cn)"
}
online() {
	dc_ctl dc nodes | grep -qE "^$1\.example\.net .* online"
}

check "a tunnel that stands" on mn ping -c 1 -W 2 other.example.net
check "and the set-up by itself" reached
bg mn others ping -D -i 0.1 "$(virtual4 other)"

# moment NAME ADDRESS...: who does not get his Route Direction. The query is answered after 2.6 s at most
moment() {
	local name=$1 t0 lost
	shift
	forget_both
	lose "$@"
	bg_anew mn "query-$name" dig +tries=1 +time=5 cn.example.net A
	for lost in "$@"; do
		check "$name: the direction is under way to $lost" eventually 3 direction_is_lost "$lost"
	done
	case $name in
	request) check_not "$name: nobody has it" eval "knows mn || knows cn" ;;
	asker) check "$name: and has reached mn" eventually 1 knows mn ;;
	peer) check "$name: and has reached cn" eventually 1 knows cn ;;
	esac
	kill9 dc ntm-dc
	on dc nft delete table ip lose
	wait_for mn "query-$name" 6
	like "$name: a DC that is dead: SERVFAIL" "$(logs mn "query-$name")" 'SERVFAIL'
	at_most "$name: within 3 s" "$(logs mn "query-$name" | sed -nE 's/^;; Query time: ([0-9]+) msec.*/\1/p')" 3000
	again dc ntm-dc
	t0=$(now_ms)
	check "$name: started again, the peer is reached" eventually $PEER_WITHIN reached
	say "$name: after $(($(now_ms) - t0)) ms"
	at_most "$name: within $PEER_WITHIN s" $(($(now_ms) - t0)) $((PEER_WITHIN * 1000))
}

steadily 200 moment request 192.0.2.10 192.0.2.20
steadily 200 moment asker 192.0.2.20
steadily 200 moment peer 192.0.2.10

# Both have their direction, and not yet met: they need no coordinator any more. All within the 2.5 s for which the query is held
both() {
	forget_both
	on cn nft add table ip deaf
	on cn nft add chain ip deaf in '{ type filter hook prerouting priority -400; }'
	on cn nft add rule ip deaf in ip saddr 192.0.2.10 drop
	on cn nft add chain ip deaf out '{ type filter hook output priority 0; }'
	on cn nft add rule ip deaf out ip daddr 192.0.2.10 drop
	bg_anew mn query-both dig +tries=1 +time=5 cn.example.net A
	check "both: mn has its direction" eventually 3 knows mn
	check "both: cn, too" eventually 3 knows cn
	kill9 dc ntm-dc
	on cn nft delete table ip deaf
	wait_for mn query-both 6
	like "both: the set-up completes without a DC" "$(logs mn query-both)" 'NOERROR'
	check "both: and carries packets" on mn ping -c 1 -W 1 "$(virtual4 cn)"
	again dc ntm-dc
	check "both: with the DC back, a new one does" eventually $PEER_WITHIN reached
}
steadily 500 both
for h in mn cn other; do
	check "$h is registered anew" eventually $PEER_WITHIN online $h
done

stop mn others
sent=$(logs mn others | sed -nE 's/.*icmp_seq=([0-9]+).*/\1/p' | tail -n 1)
at_least "packets to the other node passed all the time" "$sent" 100
is "and not one was lost" "$(logs mn others | grep -c 'bytes from')" "$sent"
