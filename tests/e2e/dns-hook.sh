# on: qemu-6.12
# on-long: qemu-6.1 uml-debug
# without: tun mixed: the module by itself
# timeout: 150
# The module's DNS hook, with ntm-cfg in ntmd's place.
#
#   a 192.0.2.1, 2001:db8::1 ---- net ---- 192.0.2.53, 2001:db8::53 server

. /mnt/lab/src/tests/e2e/lib/fixed-keys

lookup() {
	on a dig +short +time=2 +tries=1 "$@" 2>&1
}
caught() {
	[ "$(lookup "$1")" = 10.9.0.2 ]
}

zone_set() {
	on a ntm-cfg dev get ntm0 | grep -q zone=example.net
}

net internet
host a server
link a internet 192.0.2.1/24 2001:db8::1/64
link server internet 192.0.2.53/24 2001:db8::53/64
dns server www.example.org=192.0.2.80 www.notexample.net=192.0.2.81 www.gone.example=192.0.2.82
fixed_dev a 10.9.0.1 fd09::1
resolver a 192.0.2.53
fixed_owner a "dev set ntm0 zone gone.example" "dev set ntm0 zones example.net,b.example.org,sub.b.example.org" \
	"serve 100000 10.9.0.2 fd09::2"
eventually 5 caught bob.example.net
like "its zones" "$(on a ntm-cfg dev get ntm0)" ' zone=example\.net zones=example\.net,b\.example\.org,sub\.b\.example\.org '

capture a internet outside port 53
is "a name of the zone: A" "$(lookup bob.example.net A)" 10.9.0.2
is "AAAA" "$(lookup bob.example.net AAAA)" fd09::2
is "in capitals" "$(lookup BOB.ExAmple.NET)" 10.9.0.2
is "the zone itself" "$(lookup example.net)" 10.9.0.2
is "deep below it" "$(lookup a.b.c.d.e.example.net)" 10.9.0.2
is "a name of another zone" "$(lookup carol.B.example.org)" 10.9.0.2
is "and of one inside that" "$(lookup sub.b.example.org)" 10.9.0.2
like "the C library, IPv4" "$(on a getent ahostsv4 bob.example.net)" '^10\.9\.0\.2 '
like "the C library, both" "$(on a getent ahosts bob.example.net)" 'fd09::2 '
is "a socket that is not connected" "$(on a ntm-cfg ask 192.0.2.53 bob.example.net)" "rcode=0 answers=1"
is "the same, IPv6" "$(on a ntm-cfg ask 2001:db8::53 bob.example.net)" "rcode=0 answers=1"
is "an IPv6 server" "$(lookup @2001:db8::53 bob.example.net)" 10.9.0.2
link_local=$(on server ip -6 -o addr show dev eth0 scope link | sed -E 's/.*inet6 ([^/]*).*/\1/')
is "a link-local server" "$(lookup "@$link_local%eth0" bob.example.net)" 10.9.0.2
is "a stub on loopback" "$(lookup @127.0.0.53 bob.example.net)" 10.9.0.2
is "a stub on IPv6 loopback" "$(lookup @::1 bob.example.net)" 10.9.0.2
on a ip route add default via 192.0.2.53
is "a server that does not exist" "$(lookup @198.51.100.53 bob.example.net)" 10.9.0.2
on a sysctl -qw net.ipv4.conf.all.rp_filter=1 net.ipv4.conf.lo.rp_filter=1
is "with strict reverse path filtering" "$(lookup bob.example.net)" 10.9.0.2
on a nft -f - <<-'NFT'
	table inet fw {
		chain pre { type filter hook prerouting priority raw; iif lo ip saddr != 127.0.0.0/8 ip saddr != 192.0.2.1 drop; }
		chain in { type filter hook input priority 0; policy drop; ct state invalid drop; ct state established accept; iif lo accept; meta l4proto ipv6-icmp accept; }
		chain out { type filter hook output priority 0; policy accept; ct state invalid drop; }
	}
NFT
is "behind a firewall" "$(lookup bob.example.net)" 10.9.0.2
is "behind a firewall, IPv6" "$(lookup @2001:db8::53 bob.example.net)" 10.9.0.2
is "other names behind it" "$(lookup www.example.org)" 192.0.2.80
on a nft flush ruleset
capture_stop outside
is "no such query went out" "$(on a tcpdump -nr "$(captured outside)" 2>/dev/null | grep -ci 'example\.net' || true)" 0

is "another name" "$(lookup www.example.org)" 192.0.2.80
is "a name of a zone that was replaced" "$(lookup www.gone.example)" 192.0.2.82
is "a name that ends like the zone" "$(lookup www.notexample.net)" 192.0.2.81
like "TCP is not caught" "$(on a dig +tcp +time=2 +tries=1 bob.example.net)" 'status: NXDOMAIN|REFUSED|timed out|refused'
is "nor a marked socket" "$(on a ntm-cfg ask 192.0.2.53 bob.example.net marked)" "rcode=3 answers=0"

# What is held and not answered.
stop a owner
is "with the owner gone it goes out" "$(on a ntm-cfg ask 192.0.2.53 bob.example.net)" "rcode=3 answers=0"
fixed_owner a "dev set ntm0 zone example.net"
eventually 5 zone_set
unanswered() {
	local answer ms
	answer=$(on a dig +tries=1 +time=9 bob.example.net || true)
	like "unanswered, it goes out in the end" "$answer" 'status: NXDOMAIN'
	ms=$(sed -nE 's/^;; Query time: ([0-9]+) msec.*/\1/p' <<<"$answer")
	at_least "it is held for 5 s" "$ms" 4900
	at_most "and not much longer" "$ms" 7000
}
steadily 1000 unanswered
# held NAME...: queries in the background, by IPv6 if the name ends so, until the owner is told of each
held() {
	local before name server
	before=$(logged a owner '^dns ')
	for name in "$@"; do
		server=192.0.2.53
		[ "$name" = "${name%6}" ] || server=2001:db8::53
		bg a "$name" dig +tries=1 +time=9 "@$server" bob.example.net
	done
	eventually 5 logged_more a owner '^dns ' $((before + $# - 1))
}
held dig
tag=$(logs a owner | sed -n 's/^dns .*tag=\([0-9a-fx]*\).*/\1/p' | tail -n 1)
check "it is passed when told so" on a ntm-cfg dns pass ntm0 "$tag"
wait_for a dig 3
like "and answered by the server" "$(logs a dig)" 'status: NXDOMAIN'
check_not "its tag is used up" on a ntm-cfg dns pass ntm0 "$tag"
held killed4 killed6
kill9 a owner
wait_for a killed4 3
wait_for a killed6 3
like "it passes when the owner is killed" "$(logs a killed4)" 'status: NXDOMAIN'
like "IPv6 too" "$(logs a killed6)" 'status: NXDOMAIN'
fixed_owner a "dev set ntm0 zone example.net"
eventually 5 zone_set
held gone
on a ip link del ntm0
wait_for a gone 3
like "it passes when the interface goes" "$(logs a gone)" 'status: NXDOMAIN'
