# shellcheck shell=bash
# A node that lets its coordinator hear it at a stranger's address: nobody searches for ports there, as nobody has answered from there.
# on: host
# on-long: uml uml/mixed
# timeout: 180
# The liar, behind a symmetric NAT, asks for the other's name once with the stranger's source, and the other is told of the
# coordinator's observation; and once more, with the same request ID, as itself, by which it gets its half of the path. Then the tunnel
# stands, by the relay, and it asks for a search by Port Search.
# shellcheck source=tests/e2e/lib/networks
. /mnt/lab/src/tests/e2e/lib/networks

networks_begin
networks_place symmetric a
networks_place port-restricted b
networks_public stranger 198.51.100.66
networks_end
LIAR=symmetric-a P=port-restricted-b
ROUTER=gw11 P_OUT=198.51.100.12 # as networks_place counts them
for h in $LIAR $P; do
	node $h $h dc log-level=debug # which tells of searches
done

# Of a Direction Request: UDP, Sealed, the message's head, NAME
name=$P.$NETWORKS_ZONE
length=$((8 + 32 + 8 + (4 + ${#name} + 3) / 4 * 4))
feign() {
	on $ROUTER nft add table ip feign
	on $ROUTER nft add chain ip feign out '{ type filter hook postrouting priority 300; }'
	on $ROUTER nft add rule ip feign out ip daddr 198.51.100.1 udp dport 4330 udp length $length \
		limit rate 1/hour burst 1 packets counter ip saddr set 198.51.100.66
}
feigned() {
	on $ROUTER nft list table ip feign | sed -nE 's/.* counter packets ([0-9]+) .*/\1/p'
}
knows_its_nat() {
	ctl $LIAR netcheck --json | grep -q endpoint-dependent
}
asked_for_a_search() {
	grep -q 'looking for a port, by many of ours' "$LAB_OUT/$LIAR/ntmd.log"
}
is_direct() {
	[ "$(networks_path $LIAR $P)" = direct ]
}

check "the liar knows what its NAT is" eventually 10 knows_its_nat
feign
capture stranger eth0 hits udp and dst host 198.51.100.66
require "the liar reaches its peer" on $LIAR ping -c 2 -i 0.2 -W 2 $name
is "one request came with the stranger's source" "$(feigned)" 1
is "they meet at the relay" "$(networks_path $LIAR $P)" relay
bg $LIAR pings ping -q -i 0.2 $name
check "the liar asks for a search" eventually 10 asked_for_a_search
sleep 4 # 800 ports, of the 2048 that one is about
capture_stop hits
searched=$(tcpdump -Z root -nr "$(captured hits)" "src host $P_OUT" 2>/dev/null | wc -l)
at_least "the stranger was named, and tried" "$searched" 1
at_most "as any address is that a node names: 16 packets, at one port" "$searched" 16
at_most "the coordinator sent it an answer, its question and a Route Direction, but nothing twice" \
	"$(tcpdump -Z root -nr "$(captured hits)" "src host 198.51.100.1" 2>/dev/null | wc -l)" 3
kill9 $LIAR pings

# As itself it is found
ctl $LIAR forget $name >/dev/null
ctl $P forget $LIAR.$NETWORKS_ZONE >/dev/null
check "asked as itself" eventually 5 on $LIAR ping -c 1 -W 2 $name
bg $LIAR pings ping -q -i 0.2 $name
check "a port is found" eventually 40 is_direct
