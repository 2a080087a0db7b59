# Nodes in IPv6-only networks with NAT64 reach their coordinator by IPv4, and IPv4-only nodes. One could reach it by IPv6 as well.
# on: host
# on-long: uml/mixed qemu-6.12/tun qemu-6.12
# packages: tayga unbound
#
#   a --- six --- gw --- internet --- dc, b          prefix of 96 bits
#   c --- other --- gw2 --/                          prefix of 64 bits

net six other internet
host dc a b c
router gw gw2
link dc internet 192.0.2.9/24 2001:db8::9/64
link b internet 192.0.2.20/24
link gw internet 192.0.2.1/24 2001:db8::1/64
link gw2 internet 192.0.2.2/24
link a six 2001:db8:1::2/64
link gw six 2001:db8:1::1/64
link c other 2001:db8:2::2/64
link gw2 other 2001:db8:2::1/64
on dc ip -6 route add 2001:db8:1::/64 via 2001:db8::1
gateway a 2001:db8:1::1
gateway c 2001:db8:2::1
nat64 gw internet
nat64 gw2 internet 2001:db8:64:1::/64

dns dc www.example.org=192.0.2.80 ipv4only.arpa=192.0.0.170
dc dc
unbound gw --forward 192.0.2.9 --dns64 2001:db8:64::/96
unbound gw2 --forward 192.0.2.9 --dns64 2001:db8:64:1::/64
resolver a 2001:db8:1::1
resolver b 192.0.2.9
resolver c 2001:db8:2::1
for h in a b c; do
	node $h $h dc
done
knows() {
	logs "$1" ntmd | grep -qF "NAT64, prefix $2"
}
check "a knows the prefix" eventually 10 knows a 2001:db8:64::/96
check "c knows the prefix" eventually 10 knows c 2001:db8:64:1::/64

check "a reaches the coordinator by IPv6" on a ping -c 1 -W 2 2001:db8::9
# dc_by HOST: the address by which it has its session
dc_by() {
	ctl "$1" status | sed -nE 's/^DC: registered \((.*):4330\)$/\1/p'
}
dc_by_ipv4() {
	[ "$(dc_by "$1")" = 192.0.2.9 ]
}
check "yet by IPv4 the coordinator learns what the NAT does" eventually 5 dc_by_ipv4 a
again a ntmd
check "after a restart, when the prefix is not known at first, too" eventually 5 dc_by_ipv4 a
check "IPv6-only to IPv4-only" on a ping -c 2 -W 2 b.example.net
is "the other end sees the NAT64's address" "$(ctl b status --json | grep -oE '192\.0\.2\.1:[0-9]+' | head -n 1 | cut -d: -f1)" 192.0.2.1
check "IPv4-only to IPv6-only" on b ping -c 2 -W 2 c.example.net
check "IPv6-only to IPv6-only, where only IPv4 lies between them" on a ping -c 2 -W 2 c.example.net

is "both directly" "$(ctl a status | grep -cE '^[bc]\.example\.net.* direct 192\.0\.2\.')" 2

# c moves into an IPv4-only network, and back
link_down c other
link c internet 192.0.2.30/24
check "a tunnel follows its node from NAT64 to IPv4" eventually 5 on c ping -c 1 -W 1 "$(virtual4 b)"
unlink c internet
link_up c other
addr_add c other 2001:db8:2::2/64
gateway c 2001:db8:2::1
check "and back" eventually 5 on c ping -c 1 -W 1 "$(virtual4 b)"
