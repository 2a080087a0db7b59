# on: qemu-6.12
# on-long: qemu-6.1
# without: tun mixed: the module by itself
# timeout: 150
# A VRF: a packet that leaves by one of its devices passes LOCAL_OUT as the VRF's and once more as the device's. Queries of its sockets are caught
# once, and tunnels stand in it, also to an address that the VRF's own device has. Fixed keys, ntm-cfg in ntmd's place.
#
#   a (eth0 in VRF red) 192.0.2.1, 2001:db8::1; red: 203.0.113.1 ---- net ---- b 192.0.2.53, 2001:db8::53: DNS server
#   ntm0 10.9.0.1                                                               ntm0 10.9.0.2

. /mnt/lab/src/tests/e2e/lib/fixed-keys

ask() {
	on a ntm-cfg ask "$1" bob.example.net device red
}
caught() {
	logged a owner '^dns '
}

net internet
host a b
link a internet 192.0.2.1/24
link b internet 192.0.2.53/24 2001:db8::53/64
on a ip link add red type vrf table 10
on a ip addr add 203.0.113.1/32 dev red
on a ip link set red up
on a ip link set eth0 master red
on a sysctl -qw net.ipv6.conf.eth0.disable_ipv6=0
on a ip addr add 2001:db8::1/64 dev eth0 nodad
on b ip route add 203.0.113.1 via 192.0.2.1
dns b www.example.org=192.0.2.80
fixed_dev a 10.9.0.1 fd09::1
fixed_dev b 10.9.0.2 fd09::2

# Answered
fixed_owner a "dev set ntm0 zone example.net" "serve 100000 10.9.0.2"
eventually 5 eval 'on a ntm-cfg dev get ntm0 | grep -q zone=example.net'
is "a socket of the VRF is answered" "$(ask 192.0.2.53)" "rcode=0 answers=1"
is "the same, IPv6" "$(ask 2001:db8::53)" "rcode=0 answers=1"
link_local=$(on b ip -6 -o addr show dev eth0 scope link | sed -E 's/.*inet6 ([^/]*).*/\1/')
is "a link-local server beyond its device" "$(on a dig +short +time=2 +tries=1 "@$link_local%eth0" bob.example.net)" 10.9.0.2
is "each query is caught once" "$(caught)" 3
stop a owner

# Passed
# passes TEXT SERVER
passes() {
	local before tag asks
	before=$(caught)
	asks=asks$before
	bg a "$asks" ntm-cfg ask "$2" bob.example.net device red
	check "$1: it is caught" eventually 3 logged_more a owner '^dns ' "$before"
	tag=$(logs a owner | sed -n 's/^dns .*tag=\([0-9a-fx]*\).*/\1/p' | tail -n 1)
	on a ntm-cfg dns pass ntm0 "$tag"
	wait_for a "$asks" 10
	is "$1: passed, it is answered by the server" "$(logs a "$asks")" "rcode=3 answers=0"
	is "$1: and was caught no more than once" "$(caught)" $((before + 1))
}
fixed_owner a "dev set ntm0 zone example.net" "dev set ntm0 device red port4 4330 port6 4330" \
	"path set ntm0 7 create v4 10.9.0.2 v6 fd09::2 peer 192.0.2.53 4330 key 1 1 $FIXED_A $FIXED_B"
fixed_owner b "dev set ntm0 port4 4330 port6 4330" \
	"path set ntm0 7 create v4 10.9.0.1 v6 fd09::1 peer 203.0.113.1 4330 key 1 1 $FIXED_B $FIXED_A"
eventually 5 fixed_ready a
eventually 5 fixed_ready b
passes "IPv4" 192.0.2.53
passes "IPv6" 2001:db8::53
on a tc qdisc add dev red root pfifo
passes "IPv4, by the VRF's qdisc" 192.0.2.53
passes "IPv6, by the VRF's qdisc" 2001:db8::53
on a tc qdisc del dev red root

# A tunnel, to an address of the VRF's own device
check "b reaches a" on b ping -c 2 -i 0.2 -W 2 10.9.0.1
capture b internet red "udp and src host 203.0.113.1 and src port 4330"
capture b internet eth0 "udp and src host 192.0.2.1 and src port 4330"
check "and a reaches b" on a ping -c 3 -i 0.2 -W 2 10.9.0.2
check "IPv6 inside" on a ping -c 1 -W 2 fd09::2
sleep 0.3
capture_stop red
capture_stop eth0
is "from the address that b knows" "$(packets red) $(packets eth0)" "4 0"
