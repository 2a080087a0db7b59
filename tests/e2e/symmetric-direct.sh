# shellcheck shell=bash
# A node behind a symmetric NAT and one behind a port-restricted NAT: relayed at first, then by a port that the search has found.
# on-long: host uml/mixed qemu-6.12 qemu-6.12/mixed
# timeout: 420
# Two behind symmetric NATs stay on the relay, and nobody searches.
# shellcheck source=tests/e2e/lib/networks
. /mnt/lab/src/tests/e2e/lib/networks

networks_begin
networks_place symmetric a b
networks_place port-restricted b
networks_end symmetric-a symmetric-b port-restricted-b
S=symmetric-a P=port-restricted-b
S_OUT=198.51.100.11 S_ROUTER=gw11 OTHER_OUT=198.51.100.12 P_OUT=198.51.100.13 # as networks_place counts them

is_direct() {
	[ "$(networks_path "$1" "$2")" = direct ]
}
is_relayed() {
	[ "$(networks_path "$1" "$2")" = relay ]
}
# found HOST: how often a search of its ended well
found() {
	grep -c 'the peer has found a port' "$LAB_OUT/$1/ntmd.log" || true
}
forget() {
	ctl $S forget "$P.$NETWORKS_ZONE" >/dev/null
	ctl $P forget "$S.$NETWORKS_ZONE" >/dev/null
}
# lost HOST NAME: datagrams of a stream in both directions that did not come, if it was a stream
lost() {
	logs "$1" "$2" | awk '/receiver/ { for (i = 1; i <= NF; i++) if ($i ~ /^[0-9]+\/[0-9]+$/) { split($i, n, "/"); lost += n[1]; all += n[2] } }
		END { print (all > 1500 ? lost : "nothing") }'
}

# The end behind the symmetric NAT begins
iperf_server $P
require "by name, at once" on $S ping -c 2 -i 0.2 -W 2 $P.example.net
is "by the relay at first" "$(networks_path $S $P)" relay
capture $P eth0 probes "udp and host $S_OUT"
bg $S stream iperf3 -c $P.example.net -u -b 200k -l 500 -t 20 --bidir
check "within 15 s it is direct" eventually 15 is_direct $S $P
check "on the other side, too" eventually 2 is_direct $P $S
wait_for $S stream 40
capture_stop probes
is "and not one packet was lost on the way" "$(lost $S stream)" 0
like "one end sees the address that the DC named" "$(ctl $S)" "up .* direct $P_OUT:4330"
like "the other a port that it has found" "$(ctl $P)" "up .* direct $S_OUT:[0-9]+"
exits "ntmctl ping ends with 0" 0 ctl $S ping $P -c 1
at_most "no more than 2048 ports were tried" \
	"$(tcpdump -nr "$(captured probes)" "dst host $S_OUT" 2>/dev/null | sed -nE "s/.* > $S_OUT\.([0-9]+): .*/\1/p" | sort -u | wc -l)" 2060
is "it was one search" "$(found $S)" 1

# The NAT gives out other ports: back to the relay, and to another port, under TCP
iperf_server $P
bg $S tcp iperf3 -c $P.example.net -t 45 -b 2M
sleep 4
nat_reset $S_ROUTER internet
check "when its NAT forgets the port, the relay takes the path" eventually 8 is_relayed $S $P
check "until another one is found" eventually 40 is_direct $S $P
is "by a second search" "$(found $S)" 2
check "the TCP connection has lived through both" wait_for $S tcp 60
like "and carried everything" "$(logs $S tcp)" 'receiver'

# The other end begins
forget
iperf_server $S
check "the other way round, by name" eventually 5 on $P ping -c 1 -W 2 $S.example.net
bg $P stream iperf3 -c $S.example.net -u -b 200k -l 500 -t 25 --bidir
check "it is direct, too" eventually 45 is_direct $P $S
wait_for $P stream 40
is "without a loss" "$(lost $P stream)" 0

# Nothing can be found between two of that kind
check "two behind symmetric NATs reach each other" on $S ping -c 2 -W 2 symmetric-b.example.net
capture $S eth0 both "udp and host $OTHER_OUT"
check "for a while" on $S ping -q -c 40 -i 0.2 symmetric-b.example.net
capture_stop both
is "by the relay" "$(networks_path $S symmetric-b)" relay
at_most "and nobody searches" "$(packets both)" 20
