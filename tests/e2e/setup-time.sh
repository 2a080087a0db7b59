# shellcheck shell=bash
# DNS query to answer, the tunnel up, at 20 ms of one-way delay to everything: at most 3 round trips.
# timeout: 120
#
#   dc, mn, cn: each 10 ms from the middle, so 20 ms from each other; a round trip is 40 ms

net internet
host dc ns mn cn
link dc internet 192.0.2.1/24 2001:db8::1/64 --delay 10ms
link ns internet 192.0.2.53/24 --delay 10ms
link mn internet 192.0.2.10/24 --delay 10ms
link cn internet 192.0.2.20/24 --delay 10ms
dns ns
resolver mn 192.0.2.53
dc dc
node mn mn dc
node cn cn dc

rtt=$(on mn ping -c 5 -i 0.2 -q 192.0.2.20 | awk -F'[/ ]+' '/^(rtt|round-trip)/ { print $8 }')
say "round trip, measured: $rtt ms"
at_least "the links have their delay" "$rtt" 40

# The first set-up of a pair: nothing is known, nothing is cached
query_ms=$(on mn dig +tries=1 +time=5 cn.example.net A | sed -nE 's/^;; Query time: ([0-9]+) msec/\1/p')
say "first query to answer: $query_ms ms"
at_most "DNS query to answer takes at most 3 round trips" "$query_ms" "$(awk -v r="$rtt" 'BEGIN { print 3 * r }')"
first_ms=$(took on mn ping -c 1 -W 2 "$(virtual4 cn)")
at_most "the tunnel stands with the answer: the first packet needs one round trip, and no set-up" "$first_ms" \
	"$(awk -v r="$rtt" 'BEGIN { print 2 * r }')"
is "and is no miss" "$(on mn ping -c 3 -i 0.2 -q "$(virtual4 cn)" | sed -nE 's/.* ([0-9]+)% packet loss.*/\1/p')" 0
again_ms=$(on mn dig +tries=1 +time=5 cn.example.net A | sed -nE 's/^;; Query time: ([0-9]+) msec/\1/p')
at_most "a second query needs no round trip" "$again_ms" 20
