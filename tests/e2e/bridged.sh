# timeout: 120
# on: qemu-6.12
# on-long: qemu-6.1
# without: tun mixed: the module by itself
# A host's link is a port of its bridge, and netfilter sees what the bridge carries (br_netfilter, as Docker and Kubernetes have it on
# a KVM host): the module's hook is called before the bridge is done with a packet. Fixed keys, no daemon.
#
#   a 192.0.2.1 on br0, eth0 in it -------- internet -------- 192.0.2.2 b
#   ntm0 10.9.0.1                                             ntm0 10.9.0.2

. /mnt/lab/src/tests/e2e/lib/fixed-keys

modprobe br_netfilter
# netfilter HOST 0|1: whether it sees what bridges there carry
netfilter() {
	ip netns exec "$1" sh -c "for f in /proc/sys/net/bridge/bridge-nf-call-ip*tables; do echo $2 >\$f; done"
}
drop() {
	on a ntm-cfg dev get ntm0 | grep -oE "\bdrop_$1=[0-9]+" | cut -d= -f2
}
peer() {
	on a ntm-cfg path get ntm0 7 | grep -oE '\bpeer=[^ ]+' | cut -d= -f2-
}
signals() {
	on a nft list ruleset | sed -nE 's/.* counter packets ([0-9]+) .*/\1/p'
}

net internet
host a b
link a internet
link b internet 192.0.2.2/24 2001:db8::2/64
netfilter net.internet 0
netfilter a 1
on a ip link add br0 type bridge
on a ip link set eth0 master br0
on a ip link set br0 up
on a ip addr add 192.0.2.1/24 dev br0
on a ip addr add 2001:db8::1/64 dev br0 nodad
on a ip addr add fe80::a/64 dev br0 nodad
on b ip addr add fe80::b/64 dev eth0 nodad
fixed_dev a 10.9.0.1 fd09::1
fixed_dev b 10.9.0.2 fd09::2
fixed_owner a "dev set ntm0 port4 4330 port6 4330" \
	"path set ntm0 7 create v4 10.9.0.2 v6 fd09::2 peer 192.0.2.2 4330 key 1 1 $FIXED_A $FIXED_B"
fixed_owner b "dev set ntm0 port4 4330 port6 4330" \
	"path set ntm0 7 create v4 10.9.0.1 v6 fd09::1 peer 192.0.2.1 4330 key 1 1 $FIXED_B $FIXED_A"
eventually 5 fixed_ready a
eventually 5 fixed_ready b
check "ping" on a ping -c 2 -i 0.2 -W 2 10.9.0.2

# through TEXT ADDRESS
through() {
	local auth
	on b ntm-cfg path set ntm0 7 peer "$2" 4330
	check "$1: ping" on b ping -c 2 -i 0.2 -W 2 10.9.0.1
	on a nft -f - <<-NFT
		table inet t {
			chain i {
				type filter hook input priority 0;
				udp sport 6000 udp dport 4330 counter
			}
		}
	NFT
	auth=$(drop auth)
	is "$1: an aggregate of data and signalling" "$(on b ntm-evil lo mixed 6000 "$2" 100 7 0 0 7)" 4
	check "$1: its signalling reaches the socket" eventually 3 eval '[ "$(signals)" = 2 ]'
	is "$1: what is data is taken" "$(($(drop auth) - auth))" 2
	on a nft flush ruleset
}
through IPv4 192.0.2.1
through IPv6 2001:db8::1
is "the bridge has learnt no address out of an IP header" "$(on a bridge fdb show br br0 | grep -c '^\(40\|45\):')" 0

# A peer of the link: its address means nothing without the interface
on b ntm-cfg path set ntm0 7 peer fe80::a%eth0 4330
check "link-local: ping" on b ping -c 2 -i 0.2 -W 2 10.9.0.1
is "link-local: the peer has moved there" "$(peer)" "[fe80::b]:4330"
check "link-local: ping, the other way" on a ping -c 2 -i 0.2 -W 2 10.9.0.2

# No other scenario of this guest wants it
stop a owner
on a ip link del ntm0
modprobe -r br_netfilter
