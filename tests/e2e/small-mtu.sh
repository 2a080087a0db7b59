# timeout: 180
# on: qemu-6.12 qemu-6.1
# on-long: uml-debug
# without: tun mixed: the module by itself
# Links of 1280 bytes below the tunnel: what is left inside is less than IPv6 needs. Inner packets of 1280 bytes of IPv6 pass, their
# outer packets in fragments; IPv4 hears the true value. Fixed keys, no daemon.
#
#   a, b   192.0.2.0/24, IPv4 outside: 1228 bytes inside        c, d   2001:db8::/64, IPv6 outside: 1208 bytes inside
#   e, f   2001:db8::/64, of 1500 bytes: it is the route that has 1280, as after an ICMP message

. /mnt/lab/src/tests/e2e/lib/fixed-keys

# end HOST NUMBER PEER-NUMBER ADDRESS PEER-ADDRESS TX RX
end() {
	fixed_dev "$1" "10.9.0.$2" "fd09::$2"
	fixed_owner "$1" "dev set ntm0 port4 4330 port6 4330" \
		"path set ntm0 7 create v4 10.9.0.$3 v6 fd09::$3 peer $5 4330 key 1 1 $6 $7"
	eventually 5 fixed_ready "$1"
}

drop() {
	on "$1" ntm-cfg dev get ntm0 | grep -oE "\bdrop_$2=[0-9]+" | cut -d= -f2
}

# through FAMILY A B NET INSIDE FRAGMENTS: what must pass, and how, from A to B over NET with INSIDE bytes in an unfragmented packet
through() {
	local family=$1 a=$2 b=$3 net=$4 inside=$5 fragments=$6
	capture "$b" "$net" "whole-$a" "$fragments"
	check "$family: IPv4 of $inside bytes" on "$a" ping -c 2 -i 0.2 -W 2 -M 'do' -s $((inside - 28)) 10.9.0.2
	check_not "$family: a byte more may not be fragmented" on "$a" ping -c 2 -i 0.2 -W 1 -M 'do' -s $((inside - 27)) 10.9.0.2
	like "$family: its sender hears what fits" "$(cat "$LAB_STATE/output")" "mtu ?= ?$inside"
	check "$family: what may be fragmented is, inside" on "$a" ping -c 2 -i 0.2 -W 2 -M dont -s 1400 10.9.0.2
	capture_stop "whole-$a"
	is "$family: no outer packet was in fragments so far" "$(packets "whole-$a")" 0

	capture "$b" "$net" "parts-$a" "$fragments"
	check "$family: IPv6 of 1280 bytes" on "$a" ping -6 -c 2 -i 0.2 -W 2 -M 'do' -s 1232 fd09::2
	capture_stop "parts-$a"
	at_least "$family: its outer packets are in fragments" "$(packets "parts-$a")" 8
	check_not "$family: IPv6 of 1281 bytes does not pass" on "$a" ping -6 -c 2 -i 0.2 -W 1 -M 'do' -s 1233 fd09::2
	like "$family: and is told no less than 1280" "$(cat "$LAB_STATE/output")" 'mtu ?= ?1280'

	iperf_server "$b"
	check "$family: TCP" on "$a" iperf3 -c 10.9.0.2 -t 1 -i 0
	iperf_server "$b"
	check "$family: TCP, the other way" on "$a" iperf3 -c 10.9.0.2 -t 1 -i 0 -R
	iperf_server "$b"
	check "$family: TCP, IPv6 inside" on "$a" iperf3 -c fd09::2 -t 1 -i 0
	iperf_server "$b"
	check "$family: TCP, IPv6 inside, the other way" on "$a" iperf3 -c fd09::2 -t 1 -i 0 -R
	iperf_server "$b"
	check "$family: UDP of 1232 bytes, IPv6 inside" on "$a" iperf3 -c fd09::2 -u -b 10M -l 1232 -t 1 -i 0
	is "$family: nothing was spoilt" "$(drop "$a" auth) $(drop "$a" short) $(drop "$b" auth) $(drop "$b" short)" "0 0 0 0"
}

net v4 v6
host a b c d e f
link a v4 192.0.2.1/24 --mtu 1280
link b v4 192.0.2.2/24 --mtu 1280
link c v6 2001:db8::1/64 --mtu 1280
link d v6 2001:db8::2/64 --mtu 1280
end a 1 2 192.0.2.1 192.0.2.2 "$FIXED_A" "$FIXED_B"
end b 2 1 192.0.2.2 192.0.2.1 "$FIXED_B" "$FIXED_A"
end c 1 2 2001:db8::1 2001:db8::2 "$FIXED_A" "$FIXED_B"
end d 2 1 2001:db8::2 2001:db8::1 "$FIXED_B" "$FIXED_A"

through "over IPv4" a b v4 1228 'ip[6:2] & 0x3fff != 0'
through "over IPv6" c d v6 1208 'ip6[6] = 44'

# A sender whose socket takes no advice of routes (many of QUIC do so) takes what is inside: its tunnel goes by the route all the same
link e v6 2001:db8::5/64
link f v6 2001:db8::6/64
on e ip route add 2001:db8::6/128 dev eth0 mtu 1280
end e 1 2 2001:db8::5 2001:db8::6 "$FIXED_A" "$FIXED_B"
end f 2 1 2001:db8::6 2001:db8::5 "$FIXED_B" "$FIXED_A"
capture f v6 by-route 'src host 2001:db8::5'
check "a narrow route: ping" on e ping -6 -c 1 -W 2 fd09::2
is "a narrow route: IPv6 of 1248 bytes from a socket that probes" "$(on e ntm-evil lo probing 5000 'fd09::2#5000' 1200 3)" 3
sleep 0.3
capture_stop by-route
is "a narrow route: no outer packet is larger than it" "$(packets by-route 'ip6 and greater 1295')" 0
at_least "a narrow route: they are in fragments" "$(packets by-route 'ip6[6] = 44')" 6
