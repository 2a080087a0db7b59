# shellcheck shell=bash
# Set-up in round trips, from the DNS query to its answer with the tunnel up, at 20 ms of one-way delay between any two hosts: directly,
# punched through two NATs, and by way of a relay server.
# on: uml host
# on-long: uml/mixed
# timeout: 300
#
#   dc, rs (both families), mn, d1..3                 each 10 ms from the middle, so 20 ms from each other; a round trip is 40 ms
#   p1..3, and mn2, each behind a port-restricted NAT that is 10 ms from the middle
#   r1..3, IPv6 alone
#
# Outcome, in round trips (they are what the protocol needs, docs/PROTOCOL.md 6 to 8; each bound has one more):
#   direct    2: to the coordinator and back, to the peer and back
#   punched   2: the peer opens its NAT as it hears of the asker, before the request gets there
#   relayed   5: to the coordinator; Bind and cookie, Bind and Bound; the handshake by way of the relay server, which is two
#
# In user-mode Linux and natively, because they run at native speed. The best of three set-ups counts: what else the machine does adds to
# a time, nothing takes from it. All three have to go the way that they should, though, and do not if they take 0.3 s.

RTT=40

net internet
host dc rs mn mn2
link dc internet 192.0.2.1/24 2001:db8::1/64 --delay 10ms
link rs internet 192.0.2.2/24 2001:db8::2/64 --delay 10ms
link mn internet 192.0.2.10/24 --delay 10ms
dc dc
rs rs rs dc

# behind HOST N: in a network of its own, behind a NAT
behind() {
	router "n$2"
	net "home$2"
	link "n$2" internet "192.0.2.$2/24" --delay 10ms
	link "n$2" "home$2" 10.0.0.1/24
	link "$1" "home$2" 10.0.0.2/24
	gateway "$1" 10.0.0.1
	nat "n$2" internet
}
behind mn2 20
for i in 1 2 3; do
	host d$i p$i r$i
	link d$i internet 192.0.2.3$i/24 --delay 10ms
	behind p$i 4$i
	link r$i internet 2001:db8::5$i/64 --delay 10ms
done
for h in mn mn2 d1 d2 d3 p1 p2 p3 r1 r2 r3; do
	resolver $h 127.0.0.1 # nobody is there: names come from ntmd, or not at all
	node $h $h dc
done
measured() { # the relay server is known, and so is what the NAT does
	ctl "$1" netcheck >/dev/null && dc_ctl dc nodes | grep -q "^$1\.example\.net .* online"
}

# query_time HOST NAME: in ms. Without -u dig reads a clock that goes in steps of 10 ms in user-mode Linux
query_time() {
	on "$1" dig -u +tries=1 +time=5 "$2.example.net" A | sed -nE 's/^;; Query time: ([0-9]+)([0-9]{3}) usec/\1.\2/p'
}
best() {
	printf '%s\n' "$@" | sort -n | head -n 1
}
way_to() {
	ctl "$1" | sed -nE "s/^$2\.example\.net .* (direct|relay) .*/\1/p"
}

# afresh KIND ASKER PEERS I: nothing is left of a tunnel that there was, nor in the NATs; but who is who on the wire is known, which is
# another round trip, and none of ours
afresh() {
	local peer=$3$4
	ctl "$2" forget "$peer.example.net" || true
	ctl "$peer" forget "$2.example.net" || true
	case $1 in
	direct) on "$2" ping -c 1 -W 1 "192.0.2.3$4" ;;
	punched)
		on n20 ping -c 1 -W 1 "192.0.2.4$4"
		nat_closes n20 "192.0.2.4$4"
		nat_closes "n4$4" 192.0.2.20
		;;
	relayed)
		on "$2" ping -c 1 -W 1 192.0.2.2
		on "$peer" ping -c 1 -W 1 2001:db8::2
		;;
	esac
}
nat_closes() {
	on "$1" nft flush set ip "lab_nat_$(if_of "$1" internet)" sent
	on "$1" conntrack -D -p udp -d "$2" || true
	on "$1" conntrack -D -p udp -s "$2" || true
}

# kind NAME ASKER PEERS WAY ROUND-TRIPS
kind() {
	local name=$1 asker=$2 way=$4 trips=$5 times=() ways=() i ms
	for i in 1 2 3; do
		afresh "$name" "$asker" "$3" $i
		times+=("$(query_time "$asker" "$3$i")")
		ways+=("$(way_to "$asker" "$3$i")")
	done
	ms=$(best "${times[@]}")
	is "$name: the way is as it should be" "${ways[*]}" "$way $way $way"
	say "$name: ${times[*]} ms; the best is $(awk -v ms="$ms" -v rtt=$RTT 'BEGIN { printf "%.1f", ms / rtt }') round trips of $RTT ms"
	at_least "$name: no less than the $trips round trips that it needs" "$ms" $((trips * RTT))
	at_most "$name: and no more than $((trips + 1))" "$ms" $(((trips + 1) * RTT))
	check "$name: the tunnel stands with the answer" on "$asker" ping -c 1 -W 1 "$(virtual4 "${3}1")"
}

for h in mn mn2 p1 p2 p3; do
	check "$h knows its network" eventually 15 measured $h
done
steadily 20 kind direct mn d direct 2
steadily 20 kind punched mn2 p direct 2
steadily 20 kind relayed mn r relay 5
