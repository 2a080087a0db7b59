# shellcheck shell=bash
# timeout: 240
# on: host
# on-long: qemu-6.12 uml/mixed qemu-6.12/mixed
# Nodes on links of 1280 bytes: what is left inside their tunnels is less than IPv6 needs. Inner packets of 1280 bytes of IPv6 pass,
# their outer packets in fragments; IPv4 hears the true value; TCP and names work.
#
#   dc, a, b   192.0.2.0/24, IPv4 outside: 1228 bytes inside       dc, c, d   2001:db8::/64, IPv6 outside: 1208 bytes inside

# drops HOST: data packets that were spoilt
drops() {
	ctl "$1" status --drops | grep -cE 'data (auth|short|inner|source) [1-9]' || true
}

# through FAMILY A B NET INSIDE FRAGMENTS: what must pass, and how, from A to B over NET with INSIDE bytes in an unfragmented packet
through() {
	local family=$1 a=$2 b=$3 net=$4 inside=$5 fragments=$6 to4 to6
	to4=$(virtual4 "$b") to6=$(virtual6 "$b")
	require "$family: $b is found by name" eventually 10 on "$a" ping -c 1 -W 2 "$b.example.net"
	check "$family: the path learns what fits" eventually 10 on "$a" ping -c 1 -W 1 -M 'do' -s $((inside - 28)) "$to4"
	capture "$b" "$net" "whole-$a" "$fragments"
	check "$family: IPv4 of $inside bytes" on "$a" ping -c 2 -i 0.2 -W 2 -M 'do' -s $((inside - 28)) "$to4"
	check_not "$family: a byte more may not be fragmented" on "$a" ping -c 2 -i 0.2 -W 1 -M 'do' -s $((inside - 27)) "$to4"
	like "$family: its sender hears what fits" "$(cat "$LAB_STATE/output")" "mtu ?= ?$inside"
	check "$family: what may be fragmented is, inside" on "$a" ping -c 2 -i 0.2 -W 2 -M dont -s 1400 "$to4"
	capture_stop "whole-$a"
	is "$family: no outer packet was in fragments so far" "$(packets "whole-$a")" 0

	capture "$b" "$net" "parts-$a" "$fragments"
	check "$family: IPv6 of 1280 bytes" on "$a" ping -6 -c 2 -i 0.2 -W 2 -M 'do' -s 1232 "$to6"
	capture_stop "parts-$a"
	at_least "$family: its outer packets are in fragments" "$(packets "parts-$a")" 8
	check_not "$family: IPv6 of 1281 bytes does not pass" on "$a" ping -6 -c 2 -i 0.2 -W 1 -M 'do' -s 1233 "$to6"
	like "$family: and is told no less than 1280" "$(cat "$LAB_STATE/output")" 'mtu ?= ?1280'

	iperf_server "$b"
	check "$family: TCP" on "$a" iperf3 -c "$to4" -t 1 -i 0
	iperf_server "$b"
	check "$family: TCP, IPv6 inside, the other way" on "$a" iperf3 -c "$to6" -t 1 -i 0 -R
	iperf_server "$b"
	check "$family: UDP of 1232 bytes, IPv6 inside" on "$a" iperf3 -c "$to6" -u -b 10M -l 1232 -t 1 -i 0
	is "$family: nothing was spoilt" "$(drops "$a") $(drops "$b")" "0 0"
}

net v4 v6
host dc a b c d
link dc v4 192.0.2.9/24 --mtu 1280
link dc v6 2001:db8::9/64 --mtu 1280
link a v4 192.0.2.1/24 --mtu 1280
link b v4 192.0.2.2/24 --mtu 1280
link c v6 2001:db8::1/64 --mtu 1280
link d v6 2001:db8::2/64 --mtu 1280
dns dc
for h in a b; do resolver $h 192.0.2.9; done
for h in c d; do resolver $h 2001:db8::9; done
dc dc
for h in a b c d; do node $h $h dc; done

through "over IPv4" a b v4 1228 'ip[6:2] & 0x3fff != 0'
through "over IPv6" c d v6 1208 'ip6[6] = 44'
