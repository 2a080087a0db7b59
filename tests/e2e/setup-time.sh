# shellcheck shell=bash
# DNS query to answer, the tunnel up, at 20 ms of one-way delay to everything: at most 3 round trips.
# on: uml uml/mixed host
# timeout: 120
#
#   dc, mn, cn1, cn2, cn3: each 10 ms from the middle, so 20 ms from each other; a round trip is 40 ms
#
# In user-mode Linux and natively, because they run at native speed. The best of three set-ups counts: what else the machine does adds to
# a time, nothing takes from it.

PEERS="cn1 cn2 cn3"
RTT=40

net internet
host dc ns mn
link dc internet 192.0.2.1/24 2001:db8::1/64 --delay 10ms
link ns internet 192.0.2.53/24 --delay 10ms
link mn internet 192.0.2.10/24 --delay 10ms
dns ns
resolver mn 192.0.2.53
dc dc
node mn mn dc
n=20
for h in $PEERS; do
	host "$h"
	link "$h" internet "192.0.2.$((n++))/24" --delay 10ms
	node "$h" "$h" dc
done

# query_time HOST: in ms. Without -u dig reads a clock that goes in steps of 4 ms, or of 10 in user-mode Linux
query_time() {
	on mn dig -u +tries=1 +time=5 "$1.example.net" A | awk '/^;; Query time: [0-9]+ usec/ { printf "%.3f\n", $4 / 1000 }'
}

best() {
	printf '%s\n' "$@" | sort -n | head -n 1
}

setups() {
	local h first=() packet=() again=()
	for h in $PEERS; do
		# What a run before this one has left
		ctl mn forget "$h.example.net" || true
		ctl "$h" forget mn.example.net || true
		# The neighbour's link address is not part of a set-up
		at_least "the links to $h have their delay" \
			"$(on mn ping -c 3 -i 0.2 -q "$(ip -n "$h" -4 -o addr show dev eth0 | awk '{ sub("/.*", "", $4); print $4 }')" |
				awk -F'[/ ]+' '/^(rtt|round-trip)/ { print $7 }')" $RTT
		first+=("$(query_time "$h")")
		packet+=("$(on mn ping -c 1 -W 2 "$(virtual4 "$h")" | sed -nE 's/.*time=([0-9.]+) ms/\1/p')")
		again+=("$(query_time "$h")")
	done
	say "query to answer with the tunnel up: ${first[*]} ms; a round trip is $RTT ms"
	say "first packet there and back: ${packet[*]} ms; the query again: ${again[*]} ms"
	at_most "DNS query to answer takes at most 3 round trips" "$(best "${first[@]}")" $((3 * RTT))
	at_least "and no less than the two that it needs" "$(best "${first[@]}")" $((2 * RTT))
	at_most "the tunnel stands with the answer: its first packet is there and back in less than 2" "$(best "${packet[@]}")" $((2 * RTT))
	at_most "the same query again needs none" "$(best "${again[@]}")" $((RTT / 2))
}
steadily 10 setups
