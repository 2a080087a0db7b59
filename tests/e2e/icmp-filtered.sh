# on: host
# on-long: qemu-6.12 qemu-6.12/mixed
# timeout: 240
# A narrow link in the middle, and routers that drop every ICMP error: the path MTU is found by probes.
#
#   dc, rs --- left --- r1 --- middle (MTU 1400) --- r2 --- right --- b
#   a --------/

net left middle right
host dc a b c d
router r1 r2
link dc left 192.0.2.1/24 2001:db8:1::1/64
link a left 192.0.2.10/24
link c left 2001:db8:1::10/64
link r1 left 192.0.2.254/24 2001:db8:1::254/64
link r1 middle 198.51.100.1/24 2001:db8:2::1/64 --mtu 1400
link r2 middle 198.51.100.2/24 2001:db8:2::2/64 --mtu 1400
link r2 right 203.0.113.254/24 2001:db8:3::254/64
link b right 203.0.113.20/24
link d right 2001:db8:3::20/64
gateway dc 192.0.2.254 2001:db8:1::254
gateway a 192.0.2.254
gateway c 2001:db8:1::254
gateway b 203.0.113.254
gateway d 2001:db8:3::254
on r1 ip route add 203.0.113.0/24 via 198.51.100.2
on r1 ip route add 2001:db8:3::/64 via 2001:db8:2::2
on r2 ip route add 192.0.2.0/24 via 198.51.100.1
on r2 ip route add 2001:db8:1::/64 via 2001:db8:2::1
for router in r1 r2; do
	on $router nft -f - <<-NFT
		table inet silent {
			chain output {
				type filter hook output priority 0;
				icmp type { destination-unreachable, time-exceeded } drop
				icmpv6 type { packet-too-big, destination-unreachable } drop
			}
		}
	NFT
done
dc dc
node a alice dc log-level=debug
node b bob dc log-level=debug
node c carol dc log-level=debug
node d dave dc log-level=debug

# found HOST MTU: is it what its ntmd found last, in bytes of the outer packet?
found() {
	[ "$(logs "$1" ntmd | grep -oE 'path MTU [0-9]+' | tail -n 1)" = "path MTU $2" ]
}
# through WHAT FROM TO: TCP both ways, and with both families inside
through() {
	iperf_server "$3"
	check "$1: TCP" on "$2" timeout 40 iperf3 -c "$(virtual4 "$3")" -n 3M -i 0
	iperf_server "$3"
	check "$1: TCP, the other way" on "$2" timeout 40 iperf3 -c "$(virtual4 "$3")" -n 3M -i 0 -R
	# A socket has no way to send IPv6 in fragments smaller than what the kernel takes the way for (ARCHITECTURE 5)
	[ "$1 $(datapath_of "$2")" != "1280, c to d tun" ] || return 0
	iperf_server "$3"
	check "$1: IPv6 inside" on "$2" timeout 40 iperf3 -c "$(virtual6 "$3")" -n 3M -i 0
}
# fits HOST TO BYTES: the largest inner IPv4 packet is of so many
fits() {
	check "$1: the largest packet that fits" on "$1" ping -c 1 -W 2 -s $(($3 - 28)) -M 'do' "$(virtual4 "$2")"
	on "$1" ping -c 1 -W 2 -s $(($3 - 24)) -M 'do' "$(virtual4 "$2")" >/tmp/toobig 2>&1 || true
	like "$1: the sender of a larger one is told" "$(cat /tmp/toobig)" "mtu ?= ?$3"
}

check_not "the network drops large packets" on a ping -c 1 -W 1 -s 1400 -M 'do' 203.0.113.20
check "and small ones pass" on a ping -c 1 -W 2 203.0.113.20
is "without a word" "$(on a ip route get 203.0.113.20 | grep -c mtu || true)" 0

for pair in "a b bob" "c d dave"; do
	read -r from to name <<<"$pair"
	check "$name is reached" eventually 10 on $from ping -c 1 -W 1 $name.example.net
	check "the path MTU is found at $from" eventually 10 found $from 1400
	check "and at $to" eventually 10 found $to 1400
	through "1400, $from to $to" $from $to
done
# Who allows fragments and wants no advice goes on with segments as large as the device takes
on a sysctl -qw net.ipv4.ip_no_pmtu_disc=2
on a ip route flush cache
iperf_server b
check "TCP that allows fragments" on a timeout 10 iperf3 -c "$(virtual4 b)" -n 3M -i 0
on a sysctl -qw net.ipv4.ip_no_pmtu_disc=0
fits a b 1348
fits c d 1328

# It becomes narrower while packets pass
for router in r1 r2; do on $router ip link set "$(if_of $router middle)" mtu 1280; done
for pair in "a b" "c d"; do
	read -r from to <<<"$pair"
	through "1280, $from to $to" "$from" "$to"
	check "1280 is found at $from" eventually 10 found $from 1280
done
