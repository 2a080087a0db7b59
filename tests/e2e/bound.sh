# timeout: 120
# on: uml
# on-long: qemu-6.12 qemu-6.1 uml-debug
# without: tun mixed: the module by itself
# ntmd's sockets have a mark, or are bound to a device (as ip vrf exec does it): what the module sends goes where ntmd's own packets go,
# and it takes what ntmd would get. Fixed keys, no daemon.
#
#   a 192.0.2.1, 2001:db8:1::1 ------ one ---- b 203.0.113.2, 2001:db8:3::2
#     198.51.100.1, 2001:db8:2::1 --- two --/
#   ntm0 10.9.0.1                              ntm0 10.9.0.2

. /mnt/lab/src/tests/e2e/lib/fixed-keys

drop() {
	on a ntm-cfg dev get ntm0 | grep -oE "\bdrop_$1=[0-9]+" | cut -d= -f2
}

net one two
host a b
link a one 192.0.2.1/24 2001:db8:1::1/64
link a two 198.51.100.1/24 2001:db8:2::1/64
link b one 192.0.2.2/24 2001:db8:1::2/64
link b two 198.51.100.2/24 2001:db8:2::2/64
on b ip link set lo up
on b ip addr add 203.0.113.2/32 dev lo
on b ip addr add 2001:db8:3::2/128 dev lo nodad
gateway a 192.0.2.2 2001:db8:1::2
fixed_dev a 10.9.0.1 fd09::1
fixed_dev b 10.9.0.2 fd09::2
fixed_owner b "dev set ntm0 port4 4330 port6 4330"
eventually 5 listens b udp 4330

# sockets OPTION...: a's sockets from now on
sockets() {
	local h
	stop a owner 2>/dev/null || true
	for h in a b; do
		on $h ntm-cfg path del ntm0 7 2>/dev/null || true
	done
	on b ntm-cfg path set ntm0 7 create v4 10.9.0.1 v6 fd09::1 peer 192.0.2.1 4330 key 1 1 "$FIXED_B" "$FIXED_A"
	fixed_owner a "dev set ntm0 $* port4 4330 port6 4330" \
		"path set ntm0 7 create v4 10.9.0.2 v6 fd09::2 peer 203.0.113.2 4330 key 1 1 $FIXED_A $FIXED_B"
	eventually 5 fixed_ready a
}
# leaves_by TEXT NET: all that a sends to b, over either family
leaves_by() {
	local peer other=one
	[ "$2" = two ] || other=two
	for peer in 203.0.113.2 2001:db8:3::2; do
		on a ntm-cfg path set ntm0 7 peer $peer 4330
		on a ping -c 1 -W 1 10.9.0.2 >/dev/null || true
		capture b "$2" this "dst host $peer and udp dst port 4330"
		capture b $other that "dst host $peer and udp dst port 4330"
		check "$1, to $peer: ping" on a ping -c 3 -i 0.2 -W 2 10.9.0.2
		sleep 0.3
		capture_stop this
		capture_stop that
		is "$1, to $peer: all of it there" "$(packets this) $(packets that)" "3 0"
	done
}

sockets mark 0
leaves_by "by the main table" one

on a ip route add 203.0.113.2 via 198.51.100.2 table 7
on a ip route add 2001:db8:3::2 via 2001:db8:2::2 table 7
on a ip rule add fwmark 7 table 7
on a ip -6 rule add fwmark 7 table 7
sockets mark 7
leaves_by "by the mark's table" two
on a nft -f - <<-NFT
	table inet seen {
		chain o {
			type filter hook output priority 0;
			udp sport 4330 meta mark 7 counter
		}
	}
NFT
on a ping -c 1 -W 2 10.9.0.2
like "packets have the mark" "$(on a nft list ruleset)" 'counter packets 1 '
on a nft flush ruleset
on a ip rule del fwmark 7
on a ip -6 rule del fwmark 7

on a ip route add default via 198.51.100.2 dev eth1 metric 2000
on a ip route add default via 2001:db8:2::2 dev eth1 metric 2000
sockets device eth1
leaves_by "by the sockets' device" two
auth=$(drop auth)
on b ntm-evil lo mixed 6000 198.51.100.1 100 7 7
on b ntm-evil lo mixed 6000 2001:db8:2::1 100 7 7
check "what comes by it is taken" eventually 3 eval '[ "$(($(drop auth) - auth))" = 4 ]'
on b ntm-evil lo mixed 6000 192.0.2.1 100 7 7
on b ntm-evil lo mixed 6000 2001:db8:1::1 100 7 7
sleep 0.3
is "what comes by another is not" "$(($(drop auth) - auth))" 4
